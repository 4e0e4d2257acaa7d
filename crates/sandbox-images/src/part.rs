//! A stretch of a file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A stretch of a file, read from its start. Several may be read of one file at a time, since each has its own place.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Part {
    /// From `at` on, so many bytes or as many as there are.
    pub(crate) fn new(file: Arc<File>, at: u64, size: u64) -> Self {
        let end = at.saturating_add(size);
        Self { file, at, end }
    }

    /// The file, all of it.
    pub(crate) fn into_file(self) -> Arc<File> {
        self.file
    }

    /// Where in the file the next byte to be read is.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Leaves out so many bytes; nothing is left when there are fewer.
    pub(crate) fn skip(&mut self, count: u64) {
        self.at = self.at.saturating_add(count).min(self.end);
    }
}

impl From<File> for Part {
    fn from(file: File) -> Self {
        Self::new(Arc::new(file), 0, u64::MAX)
    }
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = into.len().min(left);
        let count = self
            .file
            .read_at(into.get_mut(..length).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

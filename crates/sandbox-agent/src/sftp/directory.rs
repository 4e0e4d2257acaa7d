//! Listing directories.

use std::path::Path;

use russh_sftp::protocol::File;
use rustix::{
    fs::{self as sys, AtFlags, Dir, Mode, OFlags},
    io::Errno,
};

use super::{attributes, status::Failed};

/// Entries of one answer.
const BATCH: usize = 100;

/// A directory that is being listed.
pub(super) struct Directory(Dir);

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, Failed> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self(Dir::new(sys::open(path, flags, Mode::empty())?)?))
    }

    /// The next entries, in the kernel's order; fails at the end.
    ///
    /// Names have to be text here: those that are not come out changed, and cannot be opened by what comes
    /// out.
    pub(super) fn next(&mut self) -> Result<Vec<File>, Failed> {
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            let Some(entry) = self.0.read() else { break };
            let entry = entry?;
            let name = entry.file_name();
            match sys::statat(self.0.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => batch.push(attributes::entry(name.to_string_lossy().into_owned(), &stat)),
                // Removed meanwhile.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if batch.is_empty() {
            Err(Failed::end())
        } else {
            Ok(batch)
        }
    }
}

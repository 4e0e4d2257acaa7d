//! What is decompressed on its way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use sha2::Digest as _;

use super::{Store, failed};
use crate::compression::{chunk, decompressed, unreadable};
use crate::part::Part;
use crate::unpack::{free_bytes, too_many_bytes};
use crate::{Digest, Result};

impl Store {
    /// The content, decompressed into a file that is gone when nobody has it open any more.
    pub(crate) fn decompress(&self, content: Part) -> Result<File> {
        let failed = |error| failed("an archive cannot be decompressed into the store", error);
        let bound = free_bytes(&self.inner.dir)?.min(self.inner.limits.bytes);
        let mut file = self.nameless().map_err(failed)?;
        self.read_decompressed(content, bound, |bytes| file.write_all(bytes).map_err(failed))?;
        Ok(file)
    }

    /// The digest of the content, decompressed.
    pub(crate) fn content_digest(&self, content: Part) -> Result<Digest> {
        let mut hash = sha2::Sha256::new();
        self.read_decompressed(content, self.inner.limits.bytes, |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
        Ok(<[u8; 32]>::from(hash.finalize()).into())
    }

    fn read_decompressed(
        &self,
        content: Part,
        bound: u64,
        mut to: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let unreadable = |error| unreadable("an archive", error);
        let mut content = decompressed(content).map_err(unreadable)?;
        let mut left = bound;
        loop {
            let bytes = chunk(&mut content).map_err(unreadable)?;
            if bytes.is_empty() {
                return Ok(());
            }
            left = left
                .checked_sub(bytes.len() as u64)
                .ok_or_else(|| too_many_bytes(bound))?;
            to(&bytes)?;
        }
    }

    /// An empty file that has no name any more.
    fn nameless(&self) -> io::Result<File> {
        let path = self.scratch("import");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        match fs::remove_file(&path) {
            // It was swept meanwhile.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(file),
        }
    }
}

//! Blobs: brought in, verified, kept for as long as there is room.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use rustix::fs::FlockOperation;
use sha2::Digest as _;

use super::files::{Lock, open_locked, reading, touch};
use super::{Store, failed};
use crate::manifest::invalid;
use crate::{Digest, Error, ErrorKind, Result};

/// The mode of a blob of which it is not known that it is on the disk; see [`Store::settle`](super::Store).
pub(super) const UNSETTLED: u32 = 0o600;
/// The mode of one that is.
pub(super) const SETTLED: u32 = 0o400;

/// A blob on its way into the store, which nobody else, in any process, brings there meanwhile.
#[derive(Debug)]
pub(crate) struct Download {
    store: Store,
    digest: Digest,
    size: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Partial {
        file: File,
        hash: sha2::Sha256,
        offset: u64,
    },
    /// Somebody else finished it while this one waited.
    Complete(File),
}

impl Store {
    /// A blob, complete and verified; it stays for as long as the file is open.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<File>> {
        self.open_blob(digest)
            .map_err(|e| failed(format!("the blob {digest} cannot be read"), e))
    }

    pub(super) fn open_blob(&self, digest: &Digest) -> io::Result<Option<File>> {
        let path = self.path("blobs", &digest.hex());
        let Some(mut file) = open_locked(&path, &reading(), Lock::Shared)? else {
            return Ok(None);
        };
        // Until it is known to be on the disk, power may have been lost between its rename and its content.
        if file.metadata()?.permissions().mode() & 0o777 != SETTLED {
            let mut hash = sha2::Sha256::new();
            hash_rest(&mut file, &mut hash)?;
            if Digest::from(<[u8; 32]>::from(hash.finalize())) != *digest {
                tracing::warn!(%digest, "a stored blob was damaged and is dropped");
                fs::remove_file(&path)?;
                return Ok(None);
            }
            file.rewind()?;
        }
        touch(&file);
        Ok(Some(file))
    }

    /// Starts to bring in a blob, or goes on where a killed process stopped. Blocks while somebody else does.
    pub(crate) fn download(&self, digest: &Digest, size: u64) -> Result<Download> {
        let started = self.start(digest, size, Lock::Alone)?;
        started.ok_or_else(|| {
            failed(
                format!("the blob {digest} cannot be written"),
                io::ErrorKind::NotFound,
            )
        })
    }

    /// [`download`](Self::download), but `None` while somebody else does.
    pub(crate) fn try_download(&self, digest: &Digest, size: u64) -> Result<Option<Download>> {
        self.start(digest, size, Lock::AloneNow)
    }

    fn start(&self, digest: &Digest, size: u64, lock: Lock) -> Result<Option<Download>> {
        if let Some(max) = self.inner.max_bytes.filter(|max| size > *max) {
            let message = format!("the blob {digest} has {size} bytes, more than the store may take, {max}");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let state = self
            .open_partial(digest, size, lock)
            .map_err(|e| failed(format!("the blob {digest} cannot be written"), e))?;
        Ok(state.map(|state| Download {
            store: self.clone(),
            digest: *digest,
            size,
            state,
        }))
    }

    fn open_partial(&self, digest: &Digest, size: u64, lock: Lock) -> io::Result<Option<State>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(UNSETTLED);
        let path = self.path("partial", &digest.hex());
        let Some(mut file) = open_locked(&path, &options, lock)? else {
            return Ok(None);
        };
        if let Some(complete) = self.open_blob(digest)? {
            fs::remove_file(&path)?;
            return Ok(Some(State::Complete(complete)));
        }
        if file.metadata()?.len() > size {
            file.set_len(0)?;
        }
        let mut hash = sha2::Sha256::new();
        let offset = hash_rest(&mut file, &mut hash)?;
        Ok(Some(State::Partial { file, hash, offset }))
    }
}

impl Download {
    /// How many bytes are here.
    pub(crate) fn offset(&self) -> u64 {
        match &self.state {
            State::Partial { offset, .. } => *offset,
            State::Complete(_) => self.size,
        }
    }

    /// Appends what follows the bytes that are here.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let after = self.offset().saturating_add(bytes.len() as u64);
        if after > self.size {
            let message = format!(
                "the blob {} is longer than the {} bytes it was to have",
                self.digest, self.size
            );
            return Err(invalid(message));
        }
        if let State::Partial { file, hash, offset } = &mut self.state {
            let digest = self.digest;
            file.write_all(bytes)
                .map_err(|e| failed(format!("the blob {digest} cannot be written"), e))?;
            hash.update(bytes);
            *offset = after;
        }
        Ok(())
    }

    /// Forgets what is here, for a source that cannot be continued.
    pub(crate) fn restart(&mut self) -> Result<()> {
        if let State::Partial { file, hash, offset } = &mut self.state {
            let restarted = file.set_len(0).and_then(|()| file.rewind());
            restarted.map_err(|e| failed(format!("the blob {} cannot be written", self.digest), e))?;
            *hash = sha2::Sha256::new();
            *offset = 0;
        }
        Ok(())
    }

    /// Verifies the whole and puts it into the store.
    pub(crate) fn finish(self) -> Result<File> {
        let (mut file, hash) = match self.state {
            State::Complete(file) => return Ok(file),
            State::Partial { offset, .. } if offset < self.size => {
                let message = format!(
                    "the blob {} ended after {offset} of {} bytes",
                    self.digest, self.size
                );
                return Err(invalid(message));
            }
            State::Partial { file, hash, .. } => (file, hash),
        };
        let failed = |e: io::Error| failed(format!("the blob {} cannot be stored", self.digest), e);
        let partial = self.store.path("partial", &self.digest.hex());
        let found = Digest::from(<[u8; 32]>::from(hash.finalize()));
        if found != self.digest {
            // What is wrong once stays wrong: the next to want it starts afresh.
            fs::remove_file(&partial).map_err(failed)?;
            return Err(invalid(format!(
                "the blob {} has the digest {found}",
                self.digest
            )));
        }
        fs::rename(&partial, self.store.path("blobs", &self.digest.hex())).map_err(failed)?;
        // Those who wait for the partial file have to learn that it is none any more, before it is locked for reading.
        for operation in [FlockOperation::Unlock, FlockOperation::LockShared] {
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation))
                .map_err(|e| failed(e.into()))?;
        }
        file.rewind().map_err(failed)?;
        self.store.evict();
        Ok(file)
    }
}

/// Hashes from where the file stands to its end, and says how much that was.
fn hash_rest(file: &mut File, hash: &mut sha2::Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                hash.update(buffer.get(..count).unwrap_or_default());
                total += count as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Says of a blob that it is on the disk.
pub(super) fn mark_settled(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(SETTLED))
}

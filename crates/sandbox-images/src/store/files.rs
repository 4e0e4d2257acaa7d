//! Files that are locked, and replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FlockOperation;

/// How a file is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// With others; waits for who has it alone.
    Shared,
    /// Alone; waits.
    Alone,
    /// Alone, or not at all.
    AloneNow,
}

/// Opens and locks what stands under this path; `None` when there is nothing, or for [`Lock::AloneNow`] somebody has it.
///
/// Whoever waited for the lock may have got that of a file that was meanwhile renamed or deleted, and looks again.
pub(super) fn open_locked(path: &Path, options: &OpenOptions, lock: Lock) -> io::Result<Option<File>> {
    let operation = match lock {
        Lock::Shared => FlockOperation::LockShared,
        Lock::Alone => FlockOperation::LockExclusive,
        Lock::AloneNow => FlockOperation::NonBlockingLockExclusive,
    };
    loop {
        let file = match options.open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation)) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        if stands_at(&file, path)? {
            return Ok(Some(file));
        }
    }
}

/// Options to read a file, or a directory's lock.
pub(super) fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Whether this file is what the path leads to.
fn stands_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Replaces a small file; at any moment it is the old or the new one, even when power is lost.
///
/// The new one is locked on its way, or it would be swept as something that a killed process left.
pub(super) fn replace(path: &Path, scratch: &Path, content: &[u8]) -> io::Result<()> {
    loop {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(scratch)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
        file.write_all(content)?;
        file.sync_data()?;
        match fs::rename(scratch, path) {
            // It was swept before it was locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => return renamed,
        }
    }
}

/// The names in a directory that are valid UTF-8, as all of the store's own are.
pub(super) fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// Notes that a file is used now, as its time of modification.
pub(super) fn touch(file: &File) {
    // A wrong time of use makes eviction choose worse, nothing else.
    if let Err(e) = file.set_modified(std::time::SystemTime::now()) {
        tracing::debug!(error = %e, "the use of a stored file could not be noted");
    }
}

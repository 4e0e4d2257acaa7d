//! Where images are kept, by content, for several processes that may be killed at any moment.
//!
//! ```text
//! blobs/<hex>              what was brought in, whole and verified
//! partial/<hex>            what is being brought in; continued by the next to want it
//! images/                  locked by whoever looks which images are in use, which is by trying their locks
//! images/<hex>/image.json  what is known of an image; a lease is a shared lock on this file
//! images/<hex>/tree/       its root directory
//! names/<hex>              which image a name leads to; <hex> is the digest of the name
//! work/<hex>/              an image that is being unpacked, locked by whoever does
//! work/gone-*              what is being deleted
//! work/name-*, import-*    files on their way to their names, or to none
//! ```
//!
//! **Invariant:** whatever stands under its final name is whole, since it got there by a rename; and who holds a lock
//! looks again whether what he locked still stands under its name.

mod blobs;
mod build;
mod evict;
mod files;
mod image;
mod names;
mod scratch;
#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::blobs::Download;
pub(crate) use self::build::Layer;
use crate::unpack::Limits;
use crate::{Error, ErrorKind, Result};

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    max_bytes: Option<u64>,
    limits: Limits,
    /// Which run of the kernel this is: what it had not written out is lost with it.
    boot: String,
}

impl Store {
    /// Opens the store, or makes it, and sweeps what killed processes left.
    pub(crate) fn open(dir: &Path, max_bytes: Option<u64>) -> Result<Self> {
        Self::open_limited(dir, max_bytes, Limits::default())
    }

    /// [`open`](Self::open), with other bounds for what is unpacked.
    pub(crate) fn open_limited(dir: &Path, max_bytes: Option<u64>, limits: Limits) -> Result<Self> {
        let failed = |e| failed("the image store cannot be made", e);
        make_dir(dir).map_err(failed)?;
        // The modes of files within are the image's; only this keeps other users from its setuid programs.
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        for part in ["blobs", "partial", "images", "names", "work"] {
            make_dir(&dir.join(part)).map_err(failed)?;
        }
        let dir = dir.canonicalize().map_err(failed)?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(failed)?
            .trim()
            .to_owned();
        let store = Self {
            inner: Arc::new(Inner {
                dir,
                max_bytes,
                limits,
                boot,
            }),
        };
        store.sweep();
        Ok(store)
    }

    fn path(&self, part: &str, name: &str) -> PathBuf {
        self.inner.dir.join(part).join(name)
    }
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The store's own files cannot be used.
pub(crate) fn failed(message: impl Into<String>, cause: impl Into<std::io::Error>) -> Error {
    Error::new(ErrorKind::Store, message).with_source(cause.into())
}

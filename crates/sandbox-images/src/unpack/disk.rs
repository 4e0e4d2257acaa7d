//! What is done on the disk: one name at a time, in a directory that is open, and never through a link.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::model::{Id, Meta, Model, ROOT};
use crate::{Error, Result, store};

/// Directories that are kept open.
const MAX_OPEN: usize = 128;

/// The tree's directories, as far as they are open.
pub(super) struct Disk {
    root: OwnedFd,
    open: HashMap<Id, OwnedFd>,
    /// Only root can give files to others.
    owners: bool,
}

impl Disk {
    /// Makes the root.
    pub(super) fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir(dir).map_err(|e| store::failed("the image's tree cannot be made", e))?;
        Ok(Self {
            root: rustix::fs::open(dir, dir_flags(), Mode::empty()).map_err(failed)?,
            open: HashMap::new(),
            owners: rustix::process::geteuid().is_root(),
        })
    }

    pub(super) fn make_dir(&mut self, model: &Model, dir: Id, name: &[u8]) -> Result<()> {
        rustix::fs::mkdirat(self.dir(model, dir)?, name, Mode::RWXU).map_err(failed)
    }

    pub(super) fn make_file(&mut self, model: &Model, dir: Id, name: &[u8], meta: Meta) -> Result<Writing> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = self.dir(model, dir)?;
        let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        Ok(Writing {
            file: file.into(),
            meta,
            owners: self.owners,
        })
    }

    pub(super) fn make_symlink(
        &mut self,
        model: &Model,
        (dir, name): (Id, &[u8]),
        target: &[u8],
        meta: Meta,
    ) -> Result<()> {
        let owner = Some(meta.owner).filter(|_| self.owners);
        let dir = self.dir(model, dir)?;
        rustix::fs::symlinkat(target, dir, name).map_err(failed)?;
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        }
        rustix::fs::utimensat(dir, name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
    }

    /// Gives what has the first name the second as well.
    pub(super) fn link(&mut self, model: &Model, from: (Id, &[u8]), to: (Id, &[u8])) -> Result<()> {
        // Opening the one directory may close the other.
        let from_dir = rustix::io::fcntl_dupfd_cloexec(self.dir(model, from.0)?, 0).map_err(failed)?;
        rustix::fs::linkat(&from_dir, from.1, self.dir(model, to.0)?, to.1, AtFlags::empty()).map_err(failed)
    }

    pub(super) fn remove_file(&mut self, model: &Model, dir: Id, name: &[u8]) -> Result<()> {
        rustix::fs::unlinkat(self.dir(model, dir)?, name, AtFlags::empty()).map_err(failed)
    }

    /// Removes a directory, which is empty.
    pub(super) fn remove_dir(&mut self, model: &Model, (dir, name): (Id, &[u8]), id: Id) -> Result<()> {
        self.open.remove(&id);
        rustix::fs::unlinkat(self.dir(model, dir)?, name, AtFlags::REMOVEDIR).map_err(failed)
    }

    pub(super) fn set_meta(&mut self, model: &Model, dir: Id, meta: Meta) -> Result<()> {
        let owners = self.owners;
        apply(self.dir(model, dir)?, meta, owners)
    }

    /// A directory, open. Those above it are opened first, from the nearest that is.
    fn dir(&mut self, model: &Model, dir: Id) -> Result<&OwnedFd> {
        let (mut missing, mut at) = (Vec::new(), dir);
        while at != ROOT && !self.open.contains_key(&at) {
            let Some((parent, name)) = model.place(at) else {
                break;
            };
            missing.push((at, parent, name));
            at = parent;
        }
        if self.open.len() + missing.len() > MAX_OPEN {
            self.open.retain(|id, _| *id == at);
        }
        for (id, parent, name) in missing.into_iter().rev() {
            let above = self.open.get(&parent).unwrap_or(&self.root);
            let opened = rustix::fs::openat(above, name, dir_flags(), Mode::empty()).map_err(failed)?;
            self.open.insert(id, opened);
        }
        Ok(self.open.get(&dir).unwrap_or(&self.root))
    }
}

/// A file that is being written.
pub(super) struct Writing {
    file: File,
    meta: Meta,
    owners: bool,
}

impl Writing {
    /// Writes a piece of it; what no piece is written to is a hole.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, at).map_err(unwritten)
    }

    /// Ends it; there may be a hole before its end.
    pub(super) fn finish(self, size: u64) -> Result<()> {
        self.file.set_len(size).map_err(unwritten)?;
        apply(&self.file, self.meta, self.owners)
    }
}

/// Owner first, since changing it clears the setuid bits. Those are kept only where the owner is: as an ordinary user
/// everything is that user's, and a setuid program would lend out his rights. He also has to be able to read and to
/// delete all of it.
fn apply(file: impl AsFd, meta: Meta, owners: bool) -> Result<()> {
    let mut mode = meta.mode;
    if owners {
        let (uid, gid) = meta.owner;
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(failed)?;
    } else {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(failed)?.st_mode);
        mode = mode & 0o1777 | if kind == FileType::Directory { 0o700 } else { 0o400 };
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(failed)?;
    rustix::fs::futimens(&file, &times(meta.mtime)).map_err(failed)
}

fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

fn dir_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn failed(errno: Errno) -> Error {
    unwritten(errno.into())
}

fn unwritten(error: std::io::Error) -> Error {
    store::failed("the image's tree cannot be written", error)
}

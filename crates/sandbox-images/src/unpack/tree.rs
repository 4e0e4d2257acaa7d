//! The tree that layers make, and a model of it in memory.
//!
//! **Invariant:** every change on disk is of one name in a directory that is open, and no link is ever followed by the
//! kernel: where a path leads is found out in the model, with the tree's root as the root. So nothing outside is touched.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::{Limits, too_many_bytes};
use crate::manifest::invalid;
use crate::{Error, ErrorKind, Result};

const MAX_PATH: usize = 4096;
const MAX_DEPTH: usize = 128;
const MAX_LINKS: usize = 40;
/// Directories that are kept open.
const MAX_OPEN: usize = 128;
/// What an idmapped mount maps.
const MAX_ID: u64 = 65_535;
const ROOT: usize = 0;

/// What an archive says of one entry.
pub(super) struct Entry {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: (i64, u32),
    pub(super) size: u64,
}

pub(super) enum Kind {
    Dir,
    File,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    /// A device or a fifo.
    Special,
}

#[derive(Clone, Copy)]
struct Meta {
    mode: u32,
    owner: Option<(u32, u32)>,
    mtime: (i64, u32),
}

enum Node {
    Dir {
        parent: usize,
        name: Vec<u8>,
        children: HashMap<Vec<u8>, (usize, u32)>,
        meta: Meta,
        depth: usize,
    },
    Symlink(Vec<u8>),
    File,
    Gone,
}

/// A tree under construction.
pub(super) struct Tree {
    root: OwnedFd,
    nodes: Vec<Node>,
    open: HashMap<usize, OwnedFd>,
    layer: u32,
    limits: Limits,
    entries: u64,
    names: usize,
    bytes: u64,
    skipped: u64,
    /// Only root can give files to others.
    owners: bool,
}

/// A file that is being written.
pub(super) struct Writing {
    file: File,
    meta: Meta,
}

impl Tree {
    pub(super) fn create(dir: &Path, limits: Limits) -> Result<Self> {
        std::fs::create_dir(dir).map_err(|e| crate::store::failed("the image's tree cannot be made", e))?;
        let root = rustix::fs::open(dir, dir_flags(), Mode::empty()).map_err(disk)?;
        let meta = Meta {
            mode: 0o755,
            owner: Some((0, 0)),
            mtime: (0, 0),
        };
        let node = Node::Dir {
            parent: ROOT,
            name: Vec::new(),
            children: HashMap::new(),
            meta,
            depth: 0,
        };
        let owners = rustix::process::geteuid().is_root();
        Ok(Self {
            root,
            nodes: vec![node],
            open: HashMap::new(),
            layer: 1,
            limits,
            entries: 0,
            names: 0,
            bytes: 0,
            skipped: 0,
            owners,
        })
    }

    /// Adds an entry of the present layer; a file's content is to be written then.
    pub(super) fn add(&mut self, entry: Entry) -> Result<Option<Writing>> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let message = format!(
                "the image's layers have more than {} entries",
                self.limits.entries
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut parts = components(&entry.path)?;
        let meta = self.meta(&entry)?;
        let Some(name) = parts.pop() else {
            return self.set_root(&entry.kind, meta).map(|()| None);
        };
        let dir = self.resolve(&parts, true)?;
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            return self.whiteout(dir, hidden).map(|()| None);
        }
        match entry.kind {
            Kind::Dir => self.add_dir(dir, name, Some(meta)).map(|_| None),
            Kind::File => self.add_file(dir, name, meta, entry.size).map(Some),
            Kind::Symlink(target) => self.add_symlink(dir, name, &target, meta).map(|()| None),
            Kind::HardLink(target) => self.add_link(dir, name, &target).map(|()| None),
            Kind::Special => {
                self.skipped += 1;
                // What a lower layer has there is hidden by the device all the same.
                self.delete(dir, name)?;
                Ok(None)
            }
        }
    }

    /// What comes now is of the next layer.
    pub(super) fn end_layer(&mut self) {
        self.layer += 1;
    }

    /// Gives the directories their modes and times, which writing into them would have changed; says the bytes of files.
    pub(super) fn finish(mut self) -> Result<u64> {
        if self.skipped > 0 {
            tracing::info!(
                entries = self.skipped,
                "devices and fifos of an image are left out"
            );
        }
        // A directory is made after its parent, so that, backwards, a mode never bars the way to one that comes later.
        for id in (0..self.nodes.len()).rev() {
            if let Some(Node::Dir { meta, .. }) = self.nodes.get(id) {
                let meta = *meta;
                let owners = self.owners;
                apply(self.dir_fd(id)?, meta, owners)?;
            }
        }
        Ok(self.bytes)
    }

    fn meta(&self, entry: &Entry) -> Result<Meta> {
        for id in [entry.uid, entry.gid] {
            if id > MAX_ID {
                let path = String::from_utf8_lossy(&entry.path);
                return Err(invalid(format!(
                    "the owner {id} of {path:?} in a layer is above {MAX_ID}"
                )));
            }
        }
        let owner = (
            u32::try_from(entry.uid).unwrap_or(0),
            u32::try_from(entry.gid).unwrap_or(0),
        );
        Ok(Meta {
            mode: entry.mode,
            owner: Some(owner),
            mtime: entry.mtime,
        })
    }

    fn set_root(&mut self, kind: &Kind, said: Meta) -> Result<()> {
        if !matches!(kind, Kind::Dir) {
            return Err(invalid(
                "a layer has something other than a directory as its root",
            ));
        }
        if let Some(Node::Dir { meta, .. }) = self.nodes.get_mut(ROOT) {
            *meta = said;
        }
        Ok(())
    }

    fn add_dir(&mut self, dir: usize, name: &[u8], said: Option<Meta>) -> Result<usize> {
        if let Some(id) = self.child(dir, name)
            && let Some(Node::Dir { meta, .. }) = self.nodes.get_mut(id)
        {
            *meta = said.unwrap_or(*meta);
            self.keep(dir, name);
            return Ok(id);
        }
        let depth = self.depth(dir) + 1;
        if depth > MAX_DEPTH {
            return Err(invalid(format!(
                "a layer has directories more than {MAX_DEPTH} deep"
            )));
        }
        self.delete(dir, name)?;
        rustix::fs::mkdirat(self.dir_fd(dir)?, name, Mode::RWXU).map_err(disk)?;
        let meta = said.unwrap_or(Meta {
            mode: 0o755,
            owner: Some((0, 0)),
            mtime: (0, 0),
        });
        let children = HashMap::new();
        self.insert(
            dir,
            name,
            Node::Dir {
                parent: dir,
                name: name.to_vec(),
                children,
                meta,
                depth,
            },
        )
    }

    fn add_file(&mut self, dir: usize, name: &[u8], meta: Meta, size: u64) -> Result<Writing> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.bytes {
            return Err(too_many_bytes(self.limits.bytes));
        }
        self.delete(dir, name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(self.dir_fd(dir)?, name, flags, Mode::RUSR | Mode::WUSR).map_err(disk)?;
        self.insert(dir, name, Node::File)?;
        Ok(Writing {
            file: file.into(),
            meta: Meta {
                owner: meta.owner.filter(|_| self.owners),
                ..meta
            },
        })
    }

    fn add_symlink(&mut self, dir: usize, name: &[u8], target: &[u8], meta: Meta) -> Result<()> {
        if target.is_empty() || target.len() >= MAX_PATH || target.contains(&0) {
            return Err(invalid("a layer has a symbolic link to what is no path"));
        }
        self.delete(dir, name)?;
        let owner = meta.owner.filter(|_| self.owners);
        let fd = self.dir_fd(dir)?;
        rustix::fs::symlinkat(target, fd, name).map_err(disk)?;
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(disk)?;
        }
        rustix::fs::utimensat(fd, name, &times(meta.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(disk)?;
        self.insert(dir, name, Node::Symlink(target.to_vec())).map(|_| ())
    }

    fn add_link(&mut self, dir: usize, name: &[u8], target: &[u8]) -> Result<()> {
        let missing = || {
            invalid(format!(
                "a layer has a hard link to {:?}, which is no file",
                String::from_utf8_lossy(target)
            ))
        };
        if target.starts_with(b"/") {
            return Err(invalid(format!(
                "a layer has a hard link to {:?}, an absolute path",
                String::from_utf8_lossy(target)
            )));
        }
        let mut parts = components(target)?;
        let from_name = parts.pop().ok_or_else(missing)?;
        let from = self.resolve(&parts, false)?;
        let linked = match self.child(from, from_name).and_then(|id| self.nodes.get(id)) {
            Some(Node::File) => Node::File,
            Some(Node::Symlink(target)) => Node::Symlink(target.clone()),
            _ => return Err(missing()),
        };
        if (from, from_name) == (dir, name) {
            return Err(invalid("a layer has a hard link to itself"));
        }
        self.delete(dir, name)?;
        let from = rustix::io::fcntl_dupfd_cloexec(self.dir_fd(from)?, 0).map_err(disk)?;
        rustix::fs::linkat(&from, from_name, self.dir_fd(dir)?, name, AtFlags::empty()).map_err(disk)?;
        self.insert(dir, name, linked).map(|_| ())
    }

    /// Hides what lower layers have; what this layer has stays, in whatever order it comes.
    fn whiteout(&mut self, dir: usize, hidden: &[u8]) -> Result<()> {
        match hidden {
            b".wh..opq" => self.hide_children(dir),
            b"" | b"." | b".." => Err(invalid("a layer has a whiteout of what is no name")),
            // Other names of the kind are aufs's own.
            hidden if hidden.starts_with(b".wh.") => Ok(()),
            hidden => match self.child(dir, hidden) {
                Some(_) => self.hide(dir, hidden),
                None => Ok(()),
            },
        }
    }

    fn hide(&mut self, dir: usize, name: &[u8]) -> Result<()> {
        let Some(Node::Dir { children, .. }) = self.nodes.get(dir) else {
            return Ok(());
        };
        let Some(&(id, seen)) = children.get(name) else {
            return Ok(());
        };
        if seen < self.layer {
            return self.delete(dir, name);
        }
        if matches!(self.nodes.get(id), Some(Node::Dir { .. })) {
            self.hide_children(id)
        } else {
            Ok(())
        }
    }

    fn hide_children(&mut self, dir: usize) -> Result<()> {
        let Some(Node::Dir { children, .. }) = self.nodes.get(dir) else {
            return Ok(());
        };
        let names: Vec<Vec<u8>> = children.keys().cloned().collect();
        names.iter().try_for_each(|name| self.hide(dir, name))
    }

    /// Removes whatever has this name, with all that is in it.
    fn delete(&mut self, dir: usize, name: &[u8]) -> Result<()> {
        let Some(id) = self.child(dir, name) else {
            return Ok(());
        };
        if let Some(Node::Dir { children, .. }) = self.nodes.get(id) {
            let names: Vec<Vec<u8>> = children.keys().cloned().collect();
            for inner in &names {
                self.delete(id, inner)?;
            }
            self.open.remove(&id);
            rustix::fs::unlinkat(self.dir_fd(dir)?, name, AtFlags::REMOVEDIR).map_err(disk)?;
        } else {
            rustix::fs::unlinkat(self.dir_fd(dir)?, name, AtFlags::empty()).map_err(disk)?;
        }
        if let Some(node) = self.nodes.get_mut(id) {
            *node = Node::Gone;
        }
        if let Some(Node::Dir { children, .. }) = self.nodes.get_mut(dir) {
            children.remove(name);
        }
        Ok(())
    }

    /// The directory that a path leads to, links followed within the tree; made where there is none, if asked to.
    fn resolve(&mut self, parts: &[&[u8]], make: bool) -> Result<usize> {
        let mut left: Vec<Vec<u8>> = parts.iter().rev().map(|part| part.to_vec()).collect();
        let (mut at, mut links) = (ROOT, 0);
        while let Some(part) = left.pop() {
            if part == b".." {
                // Only from the target of a link; the root is above itself.
                at = self.parent(at);
                continue;
            }
            let child = self
                .child(at, &part)
                .and_then(|id| Some((id, self.nodes.get(id)?)));
            at = match child {
                Some((id, Node::Dir { .. })) => {
                    if make {
                        self.keep(at, &part);
                    }
                    id
                }
                Some((_, Node::Symlink(target))) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(invalid("a layer has a path through too many symbolic links"));
                    }
                    let absolute = target.starts_with(b"/");
                    let parts = target
                        .split(|byte| *byte == b'/')
                        .filter(|part| !matches!(*part, b"" | b"."));
                    left.extend(parts.rev().map(<[u8]>::to_vec));
                    if absolute { ROOT } else { at }
                }
                None if make => self.add_dir(at, &part, None)?,
                _ => return Err(invalid("a layer has a path through what is no directory")),
            };
        }
        Ok(at)
    }

    /// A directory that this layer has something in is this layer's, too.
    fn keep(&mut self, dir: usize, name: &[u8]) {
        if let Some(Node::Dir { children, .. }) = self.nodes.get_mut(dir)
            && let Some((_, seen)) = children.get_mut(name)
        {
            *seen = self.layer;
        }
    }

    fn insert(&mut self, dir: usize, name: &[u8], node: Node) -> Result<usize> {
        self.names += name.len()
            + if let Node::Symlink(target) = &node {
                target.len()
            } else {
                0
            };
        if self.names > self.limits.names {
            let message = format!(
                "the names of the image's files take more than {} bytes",
                self.limits.names
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let id = self.nodes.len();
        // Directories that entries only imply count as well.
        if id as u64 > self.limits.entries.saturating_mul(2) {
            let message = format!(
                "the image has more than {} directories and files",
                self.limits.entries
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.nodes.push(node);
        let layer = self.layer;
        if let Some(Node::Dir { children, .. }) = self.nodes.get_mut(dir) {
            children.insert(name.to_vec(), (id, layer));
        }
        Ok(id)
    }

    fn child(&self, dir: usize, name: &[u8]) -> Option<usize> {
        match self.nodes.get(dir) {
            Some(Node::Dir { children, .. }) => children.get(name).map(|(id, _)| *id),
            _ => None,
        }
    }

    fn depth(&self, dir: usize) -> usize {
        if let Some(Node::Dir { depth, .. }) = self.nodes.get(dir) {
            *depth
        } else {
            0
        }
    }

    fn parent(&self, dir: usize) -> usize {
        if let Some(Node::Dir { parent, .. }) = self.nodes.get(dir) {
            *parent
        } else {
            ROOT
        }
    }

    /// A directory, open. Those above it are opened first, from the nearest that is.
    fn dir_fd(&mut self, dir: usize) -> Result<&OwnedFd> {
        let (mut missing, mut at) = (Vec::new(), dir);
        while at != ROOT && !self.open.contains_key(&at) {
            missing.push(at);
            at = self.parent(at);
        }
        if self.open.len() + missing.len() > MAX_OPEN {
            self.open.retain(|id, _| *id == at);
        }
        for id in missing.into_iter().rev() {
            let Some(Node::Dir { parent, name, .. }) = self.nodes.get(id) else {
                continue;
            };
            let above = self.open.get(parent).unwrap_or(&self.root);
            let opened =
                rustix::fs::openat(above, name.as_slice(), dir_flags(), Mode::empty()).map_err(disk)?;
            self.open.insert(id, opened);
        }
        Ok(self.open.get(&dir).unwrap_or(&self.root))
    }
}

impl Writing {
    pub(super) fn write(&self, bytes: &[u8]) -> Result<()> {
        use std::io::Write as _;
        (&self.file)
            .write_all(bytes)
            .map_err(|e| crate::store::failed("the image's tree cannot be written", e))
    }

    pub(super) fn finish(self) -> Result<()> {
        apply(&self.file, self.meta, self.meta.owner.is_some())
    }
}

/// Owner first, since changing it clears the setuid bits. Those are kept only where the owner is: as an ordinary user
/// everything is that user's, and a setuid program would lend out his rights. He also has to be able to read and to
/// delete all of it.
fn apply(file: impl std::os::fd::AsFd, meta: Meta, owners: bool) -> Result<()> {
    let mut mode = meta.mode;
    if let Some((uid, gid)) = meta.owner.filter(|_| owners) {
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(disk)?;
    } else {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(disk)?.st_mode);
        mode = mode & 0o1777 | if kind == FileType::Directory { 0o700 } else { 0o400 };
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(disk)?;
    rustix::fs::futimens(&file, &times(meta.mtime)).map_err(disk)
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

/// The names of a path, which is taken from the root; one that goes up is nobody's honest work.
fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    let shown = || String::from_utf8_lossy(path.get(..64).unwrap_or(path)).into_owned();
    if path.len() >= MAX_PATH || path.contains(&0) {
        return Err(invalid(format!(
            "a layer has the path {:?}, too long or with a NUL",
            shown()
        )));
    }
    let parts: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect();
    if parts.iter().any(|part| *part == b".." || part.len() > 255) {
        return Err(invalid(format!(
            "a layer has the path {:?}, with `..` or a name above 255 bytes",
            shown()
        )));
    }
    Ok(parts)
}

fn disk(errno: Errno) -> Error {
    crate::store::failed("the image's tree cannot be written", errno)
}

//! The part of the file system that is the same for every sandbox, with a place for everything else.
//!
//! To put it together is a good part of a launch. Root has the helper do it before there is an order.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};

use super::sources::{self, Source, Stamp};
use super::{DATA, NO_TRICKS, PROC, TERMINALS, WRITABLE, attach, clone_tree, etc, file_system};
use crate::error::{Context, Error};
use crate::sys;

/// Directories that have to be there and stay empty.
const EMPTY: [&str; 7] = ["media", DATA, "opt", "root", "run", "srv", "sys"];

const LINKS: [(&str, &str); 8] = [
    ("/tmp", "var/tmp"),
    ("/run", "var/run"),
    ("/proc/self/mounts", "etc/mtab"),
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
    ("pts/ptmx", "dev/ptmx"),
];

/// Where a new root is attached while it is put together, and where nobody will look at it again: a directory that
/// exists on every host.
const SITE: &str = "/usr";

/// Proof that this process is in a mount namespace that no process of the host is in.
#[derive(Debug)]
pub(crate) struct PrivateMounts(());

impl PrivateMounts {
    /// Enters a new mount namespace, together with new surroundings; fails where this process has no right to.
    pub(crate) fn with_surroundings() -> Result<Self, Errno> {
        sys::leave_surroundings_and_mounts().map(|()| Self(()))
    }

    /// Of PID 1, which was made with a new mount namespace.
    pub(crate) fn of_init() -> Self {
        Self(())
    }
}

/// A root, detached, without what differs from sandbox to sandbox.
pub(crate) struct Skeleton {
    root: OwnedFd,
    /// What else is to be seen, and has its place already.
    further: Vec<Source>,
    /// Our own executable, such that it cannot be opened for writing through the processes that run it.
    pub(crate) executable: OwnedFd,
    stamp: Stamp,
}

impl Skeleton {
    /// Opening views takes the right to mount and the right to reach what is viewed. Root has both on the host and
    /// hardly any once inside its new user namespace; an ordinary user has the former only inside. So root builds
    /// outside, and an ordinary user inside.
    pub(crate) fn build(_: &PrivateMounts) -> Result<Self, Error> {
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .during("keep mounts to the sandbox")?;
        let stamp = Stamp::take();
        let executable = sources::executable()?;
        let common = sources::common()?;
        let site = new_root()?;
        let at = site.as_fd();
        common.iter().try_for_each(|source| add(at, source))?;
        EMPTY
            .into_iter()
            .chain([TERMINALS, PROC, "var"])
            .chain(WRITABLE.map(|(_, destination, _)| destination))
            .try_for_each(|directory| make_place(at, directory.as_ref()))?;
        etc::write(at)?;
        for (target, link) in LINKS {
            rustix::fs::symlinkat(target, at, link).during_on("create a link", link)?;
        }
        let root = clone_tree(at, ".", true)?;
        rustix::mount::unmount(SITE, UnmountFlags::DETACH).during("detach the new root")?;
        Ok(Self {
            root,
            further: Vec::new(),
            executable,
            stamp,
        })
    }

    /// Whether one built now would be the same.
    pub(crate) fn is_fresh(&self) -> bool {
        self.stamp == Stamp::take()
    }

    /// Has further paths of the host appear. To make their places takes being the user that has built it.
    pub(crate) fn show(&mut self, paths: &[PathBuf]) -> Result<(), Error> {
        self.further = sources::extra(paths)?;
        self.further
            .iter()
            .try_for_each(|source| make_room(self.root.as_fd(), source))
    }

    /// Makes it part of the mount namespace of this process.
    pub(super) fn attach(&self) -> Result<BorrowedFd<'_>, Error> {
        let root = self.root.as_fd();
        attach(root, CWD, SITE).map(|()| root)
    }

    /// Makes the extra paths appear, also in directories that were covered meanwhile.
    pub(super) fn attach_further(&self) -> Result<(), Error> {
        self.further
            .iter()
            .try_for_each(|source| add(self.root.as_fd(), source))
    }
}

fn new_root() -> Result<OwnedFd, Error> {
    let root = file_system(
        "tmpfs",
        &[("size", "1m"), ("nr_inodes", "1k"), ("mode", "755")],
        NO_TRICKS,
    )?;
    attach(root.as_fd(), CWD, SITE)?;
    Ok(root)
}

fn add(root: BorrowedFd<'_>, source: &Source) -> Result<(), Error> {
    make_room(root, source)?;
    match source {
        Source::Link { .. } => Ok(()),
        Source::Directory { tree, destination } | Source::File { tree, destination } => {
            attach(tree.as_fd(), root, destination)
        }
    }
}

/// Makes what the source is to cover, or the source itself if it is a link, unless it is there.
fn make_room(root: BorrowedFd<'_>, source: &Source) -> Result<(), Error> {
    match source {
        Source::Directory { destination, .. } => make_place(root, destination),
        Source::File { destination, .. } => {
            make_parents(root, destination)?;
            unless_there(rustix::fs::mknodat(
                root,
                destination,
                FileType::RegularFile,
                Mode::from_raw_mode(0o644),
                0,
            ))
            .during_on("create", destination)
        }
        Source::Link { target, destination } => {
            make_parents(root, destination)?;
            unless_there(rustix::fs::symlinkat(target, root, destination))
                .during_on("create a link", destination)
        }
    }
}

fn unless_there(made: Result<(), Errno>) -> Result<(), Errno> {
    match made {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

/// A directory and those above it.
pub(super) fn make_place(root: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    make_parents(root, path)?;
    make_directory(root, path)
}

pub(super) fn make_directory(root: BorrowedFd<'_>, path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    unless_there(rustix::fs::mkdirat(root, path, Mode::from_raw_mode(0o755))).during_on("create", path)
}

fn make_parents(root: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    let mut parents: Vec<_> = path
        .ancestors()
        .skip(1)
        .filter(|parent| !parent.as_os_str().is_empty())
        .collect();
    parents.reverse();
    parents
        .into_iter()
        .try_for_each(|parent| make_directory(root, parent))
}

pub(super) fn create_file(root: BorrowedFd<'_>, path: impl AsRef<Path>, content: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = || -> io::Result<()> {
        File::from(rustix::fs::openat(root, path, flags, Mode::from_raw_mode(0o644))?).write_all(content)
    };
    write().during_on("create", path)
}

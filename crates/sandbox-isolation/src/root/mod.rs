//! The file system of a sandbox: a new root, put together from detached mounts and entered for good.
//!
//! Nothing here goes by a path of the host once the sources are open: each is a detached mount, named by a descriptor,
//! that is attached below a descriptor of the new root.

mod etc;
mod proc;
mod sources;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};
use rustix::thread::{Gid, Uid};

use crate::capabilities::IdMapping;
use crate::error::{Context, Error};
use crate::idmap::USER;
use crate::sys;

use self::sources::Source;
pub(crate) use self::sources::Sources;

/// Where the writable directories are while the new root is being put together.
const DATA: &str = ".data";

/// The writable directories: their name in the file system they share, and where they appear.
const WRITABLE: [(&str, &str, u32); 4] = [
    ("workspace", "workspace", 0o755),
    ("home", "home/sandbox", 0o755),
    ("tmp", "tmp", 0o1777),
    ("shm", "dev/shm", 0o1777),
];

/// Directories that have to be there and stay empty.
const EMPTY: [&str; 7] = ["media", "mnt", "opt", "root", "run", "srv", "sys"];

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

/// Builds the file system and makes it the root of this process, which has to be PID 1 of new namespaces.
pub(crate) fn enter(sources: Sources, disk_bytes: u64, mapping: IdMapping) -> Result<(), Error> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .during("keep mounts to the sandbox")?;
    let root = new_root()?;
    let at = root.as_fd();
    for source in sources.entries {
        attach_source(at, source)?;
    }
    for directory in EMPTY {
        make_directory(at, directory, 0o755)?;
    }
    make_directory(at, "var", 0o755)?;
    etc::write(at)?;
    for (target, link) in LINKS {
        rustix::fs::symlinkat(target, at, link).during_on("create a link", link)?;
    }
    attach_writable(at, disk_bytes)?;
    attach_terminals(at)?;
    proc::attach(at, mapping)?;
    // Last, so that they can be anywhere, even in a directory that is covered above.
    for source in sources.extra {
        attach_source(at, source)?;
    }
    pivot(at)
}

/// A small file system for the skeleton, attached where nobody will look at it again: `/usr` exists on every host.
fn new_root() -> Result<OwnedFd, Error> {
    let root = file_system(
        "tmpfs",
        &[("size", "1m"), ("nr_inodes", "1k"), ("mode", "755")],
        NO_TRICKS,
    )?;
    attach(root.as_fd(), CWD, "/usr")?;
    Ok(root)
}

/// What no mount but those of device nodes needs.
const NO_TRICKS: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

fn file_system(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Error> {
    let step = format!("mount a new {kind}");
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).during(&step)?;
    for (name, value) in options {
        let set = match *value {
            "" => rustix::mount::fsconfig_set_flag(context.as_fd(), *name),
            value => rustix::mount::fsconfig_set_string(context.as_fd(), *name, value),
        };
        set.during(&format!("{step} with the option {name}"))?;
    }
    rustix::mount::fsconfig_create(context.as_fd()).during(&step)?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).during(&step)
}

fn attach_source(root: BorrowedFd<'_>, source: Source) -> Result<(), Error> {
    match source {
        Source::Link { target, destination } => {
            make_parents(root, &destination)?;
            rustix::fs::symlinkat(&target, root, &destination).during_on("create a link", &destination)
        }
        Source::Directory { tree, destination } => {
            make_parents(root, &destination)?;
            make_directory(root, &destination, 0o755)?;
            attach(tree.as_fd(), root, &destination)
        }
        Source::File { tree, destination } => {
            make_parents(root, &destination)?;
            create_file(root, &destination, b"")?;
            attach(tree.as_fd(), root, &destination)
        }
    }
}

/// The directories the sandbox's user may write to share one file system, and thereby one limit.
fn attach_writable(root: BorrowedFd<'_>, disk_bytes: u64) -> Result<(), Error> {
    /// Files smaller than this on average run out of inodes before they run out of space.
    const BYTES_PER_INODE: u64 = 4096;
    const INODES: std::ops::RangeInclusive<u64> = 1024..=1024 * 1024;
    let inodes = (disk_bytes / BYTES_PER_INODE).clamp(*INODES.start(), *INODES.end());
    let options = [
        ("size", disk_bytes.to_string()),
        ("nr_inodes", inodes.to_string()),
        ("mode", String::from("755")),
    ];
    let options = options.each_ref().map(|(name, value)| (*name, value.as_str()));
    let data = file_system("tmpfs", &options, NO_TRICKS)?;
    make_directory(root, DATA, 0o755)?;
    // Only what is attached can be cloned.
    attach(data.as_fd(), root, DATA)?;
    for (name, destination, mode) in WRITABLE {
        rustix::fs::mkdirat(&data, name, Mode::from_raw_mode(mode)).during_on("create", destination)?;
        let directory = open_directory(data.as_fd(), name).during_on("open", destination)?;
        // The mode given above was subject to the mask.
        rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))
            .during_on("set the mode of", destination)?;
        rustix::fs::fchown(&directory, Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER)))
            .during_on("give to the user", destination)?;
        make_parents(root, Path::new(destination))?;
        make_directory(root, destination, 0o755)?;
        attach(clone_tree(data.as_fd(), name, false)?.as_fd(), root, destination)?;
    }
    Ok(())
}

fn attach_terminals(root: BorrowedFd<'_>) -> Result<(), Error> {
    /// More than all of a sandbox's channels, less than the host's own limit.
    const MOST: &str = "512";
    let user = USER.to_string();
    let options = [
        ("newinstance", ""),
        ("ptmxmode", "666"),
        ("mode", "620"),
        ("uid", &user),
        ("gid", &user),
        ("max", MOST),
    ];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let terminals = file_system("devpts", &options, attributes)?;
    make_directory(root, "dev/pts", 0o755)?;
    attach(terminals.as_fd(), root, "dev/pts")
}

fn pivot(root: BorrowedFd<'_>) -> Result<(), Error> {
    rustix::process::fchdir(root).during("enter the new root")?;
    // The old root ends up on top of the new one, from where it can be taken off without needing a place for it.
    rustix::process::pivot_root(".", ".")
        .during("make the new root the root (impossible on a host that runs from an initramfs)")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during("leave the old root")?;
    rustix::process::chdir("/").during("enter the new root")?;
    let data = format!("/{DATA}");
    rustix::mount::unmount(&*data, UnmountFlags::DETACH).during_on("detach", &data)?;
    rustix::fs::rmdir(&*data).during_on("remove", &data)?;
    sys::restrict_mount(root, NO_TRICKS | MountAttrFlags::MOUNT_ATTR_RDONLY, false)
        .during("make the root read-only")
}

/// Attaches a detached mount.
fn attach(tree: BorrowedFd<'_>, directory: BorrowedFd<'_>, path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    rustix::mount::move_mount(tree, "", directory, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .during_on("attach a mount", path)
}

/// A detached copy of a mount, from `path` downwards.
fn clone_tree(directory: BorrowedFd<'_>, path: impl AsRef<Path>, recursive: bool) -> Result<OwnedFd, Error> {
    let path = path.as_ref();
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(directory, path, flags).during_on("take a view of", path)
}

fn make_directory(root: BorrowedFd<'_>, path: impl AsRef<Path>, mode: u32) -> Result<(), Error> {
    let path = path.as_ref();
    match rustix::fs::mkdirat(root, path, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error).during_on("create", path),
    }
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
        .try_for_each(|parent| make_directory(root, parent, 0o755))
}

fn create_file(root: BorrowedFd<'_>, path: impl AsRef<Path>, content: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = || -> io::Result<()> {
        File::from(rustix::fs::openat(root, path, flags, Mode::from_raw_mode(0o644))?).write_all(content)
    };
    write().during_on("create", path)
}

fn open_directory(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(root, path, flags, Mode::empty())
}

/// A path relative to the root, or `None` for the root itself and for what does not start at it.
fn below_root(path: &Path) -> Option<&Path> {
    path.strip_prefix("/")
        .ok()
        .filter(|path| !path.as_os_str().as_bytes().is_empty())
}

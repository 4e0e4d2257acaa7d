//! The file system of a sandbox: a new root, put together from detached mounts and entered for good.
//!
//! Nothing here goes by a path of the host once the sources are open: each is a detached mount, named by a descriptor,
//! that is attached below a descriptor of the new root.

mod etc;
mod image;
mod proc;
mod skeleton;
mod sources;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use rustix::thread::{Gid, Uid};

use crate::capabilities::IdMapping;
use crate::error::{Context, Error};
use crate::idmap::USER;
use crate::own::OwnProgram;
use crate::sys;
use crate::wire::Root;

pub(crate) use self::image::Image;
pub(crate) use self::skeleton::{PrivateMounts, Skeleton};
pub(crate) use self::sources::confined;

/// Where the writable directories are while they are being put in their places.
const DATA: &str = "mnt";

/// The writable directories: their name in the file system they share, and where they appear.
const WRITABLE: [(&str, &str, u32); 4] = [
    ("workspace", "workspace", 0o755),
    ("home", "home/sandbox", 0o755),
    ("tmp", "tmp", 0o1777),
    SHARED_MEMORY,
];

const SHARED_MEMORY: (&str, &str, u32) = ("shm", "dev/shm", 0o1777);

const TERMINALS: &str = "dev/pts";

const PROC: &str = "proc";

/// What the root of a sandbox is made of.
pub(crate) struct Parts {
    skeleton: Skeleton,
    /// Instead of the host's programs.
    image: Option<Image>,
}

impl Parts {
    /// Opens them, with the skeleton that was built ahead, if that will do.
    pub(crate) fn open(mounts: &PrivateMounts, ahead: Option<Skeleton>, root: &Root) -> Result<Self, Error> {
        let mut skeleton = match ahead {
            Some(skeleton) if skeleton.is_fresh() => skeleton,
            _ => Skeleton::build(mounts)?,
        };
        let image = match root {
            Root::Host { extra } => {
                skeleton.show(extra)?;
                None
            }
            Root::Image { tree } => Some(Image::open(tree)?),
        };
        Ok(Self { skeleton, image })
    }

    pub(crate) fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// Our own program, as it is started inside.
    pub(crate) fn into_program(self) -> OwnProgram {
        OwnProgram {
            loader: self.image.as_ref().and_then(Image::loader),
            executable: self.skeleton.executable,
        }
    }
}

/// Completes the file system and makes it the root of this process, which has to be PID 1 of new namespaces.
pub(crate) fn enter(
    _: &PrivateMounts,
    parts: &Parts,
    disk_bytes: u64,
    mapping: IdMapping,
) -> Result<(), Error> {
    let skeleton = parts.skeleton.attach()?;
    let data = attach_data(skeleton, disk_bytes)?;
    match &parts.image {
        None => {
            for writable in WRITABLE {
                attach_writable(data.as_fd(), skeleton, writable)?;
            }
            attach_terminals(skeleton)?;
            proc::attach(skeleton, skeleton, mapping)?;
            parts.skeleton.attach_further()?;
            pivot(skeleton)?;
            seal(skeleton)
        }
        Some(image) => {
            let root = image.attach(skeleton, data.as_fd())?;
            attach_writable(data.as_fd(), root.as_fd(), SHARED_MEMORY)?;
            attach_terminals(root.as_fd())?;
            proc::attach(root.as_fd(), skeleton, mapping)?;
            if mapping == IdMapping::Single {
                image::seal(root.as_fd())?;
            }
            pivot(root.as_fd())
        }
    }
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

/// What the sandbox's user writes is in one file system, and thereby has one limit.
fn attach_data(root: BorrowedFd<'_>, disk_bytes: u64) -> Result<OwnedFd, Error> {
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
    // Only what is attached can be cloned.
    attach(data.as_fd(), root, DATA)?;
    Ok(data)
}

/// Has a directory of the data appear in the root.
fn attach_writable(
    data: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    (name, destination, mode): (&str, &str, u32),
) -> Result<(), Error> {
    rustix::fs::mkdirat(data, name, Mode::from_raw_mode(mode)).during_on("create", destination)?;
    let directory = open_directory(data, name).during_on("open", destination)?;
    give_to_user(directory.as_fd(), destination, mode)?;
    attach(clone_tree(data, name, false)?.as_fd(), root, destination)
}

fn give_to_user(directory: BorrowedFd<'_>, name: &str, mode: u32) -> Result<(), Error> {
    // The mode it was made with was subject to the mask.
    rustix::fs::fchmod(directory, Mode::from_raw_mode(mode)).during_on("set the mode of", name)?;
    rustix::fs::fchown(directory, Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER)))
        .during_on("give to the user", name)
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
    attach(terminals.as_fd(), root, TERMINALS)
}

fn pivot(root: BorrowedFd<'_>) -> Result<(), Error> {
    rustix::process::fchdir(root).during("enter the new root")?;
    // The old root ends up on top of the new one, from where it can be taken off without needing a place for it.
    rustix::process::pivot_root(".", ".")
        .during("make the new root the root (impossible on a host that runs from an initramfs)")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during("leave the old root")?;
    rustix::process::chdir("/").during("enter the new root")
}

/// Nothing of the host's programs is changed, and nothing is put beside them.
fn seal(root: BorrowedFd<'_>) -> Result<(), Error> {
    let data = format!("/{DATA}");
    rustix::mount::unmount(&*data, UnmountFlags::DETACH).during_on("detach", &data)?;
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

fn open_directory(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(root, path, flags, Mode::empty())
}

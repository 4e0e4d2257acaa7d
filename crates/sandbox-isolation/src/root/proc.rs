//! `/proc`: the sandbox's own processes, and as little of the host as its programs can do with.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::AtFlags;
use rustix::mount::MountAttrFlags;

use super::{NO_TRICKS, PROC, attach as attach_mount, clone_tree, file_system};
use crate::capabilities::IdMapping;
use crate::error::{Context, Error};
use crate::sys;

/// What sets up the whole host, and is read by programs.
const READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// What tells about the host and is of no use inside.
const HIDDEN: [&str; 14] = [
    "acpi",
    "asound",
    "config.gz",
    "interrupts",
    "kallsyms",
    "kcore",
    "keys",
    "key-users",
    "kmsg",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "vmallocinfo",
];

fn options(mapping: IdMapping) -> &'static [(&'static str, &'static str)] {
    match mapping {
        // PID 1 is another user than the sandbox's, who therefore need not see it; members of group 0 see all.
        IdMapping::Range => &[("hidepid", "2"), ("gid", "0")],
        // PID 1 has to see all processes of the same user, also those that made themselves opaque.
        IdMapping::Single => &[],
    }
}

/// Parts are covered with an empty directory and the null device of `covers`, a root that is our own.
pub(super) fn attach(root: BorrowedFd<'_>, covers: BorrowedFd<'_>, mapping: IdMapping) -> Result<(), Error> {
    let proc = match file_system(
        "proc",
        options(mapping),
        NO_TRICKS | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    ) {
        Err(Error::Step { source, .. }) if source.raw_os_error() == Some(libc::EPERM) => {
            return Err(Error::Step {
                step: String::from(
                    "mount a new /proc, because parts of this host's own /proc are covered, as in most containers \
                    (uncover it, with Docker by --security-opt systempaths=unconfined)",
                ),
                path: None,
                source,
            });
        }
        result => result?,
    };
    attach_mount(proc.as_fd(), root, PROC)?;
    for name in READ_ONLY {
        cover(proc.as_fd(), name, proc.as_fd(), name)?;
    }
    for name in HIDDEN {
        match rustix::fs::statat(&proc, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => {
                cover(proc.as_fd(), name, covers, "run")?;
            }
            Ok(_) => cover(proc.as_fd(), name, covers, "dev/null")?,
            // This kernel does not have it.
            Err(_) => {}
        }
    }
    Ok(())
}

/// Puts a read-only view of `what` over `name`, if that exists.
fn cover(proc: BorrowedFd<'_>, name: &str, from: BorrowedFd<'_>, what: &str) -> Result<(), Error> {
    if rustix::fs::accessat(proc, name, rustix::fs::Access::EXISTS, AtFlags::empty()).is_err() {
        return Ok(());
    }
    let view = clone_tree(from, what, false)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    sys::restrict_mount(view.as_fd(), attributes, false).during_on("make a part of /proc read-only", name)?;
    attach_mount(view.as_fd(), proc, name)
}

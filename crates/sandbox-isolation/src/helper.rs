//! The process between the launcher and PID 1.
//!
//! It exists because a launcher has threads, and to become another process by cloning takes a process that has none.
//! It makes PID 1 a child of the launcher, maps its ids, reports it, lets it go and exits.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::Pid;

use crate::error::{Context, Error};
use crate::idmap::Mapping;
use crate::init::{self, Inside, Opened, Prepared};
use crate::privileges;
use crate::root::{Image, PrivateMounts, Skeleton};
use crate::surroundings::{self, Surroundings};
use crate::sys::{self, Parent};
use crate::wire::{self, Report};

/// In place of `main`.
#[allow(unsafe_code)]
pub(crate) fn run(agent: fn(Inside) -> ExitCode) -> ! {
    // What the launcher was itself started with may be anybody's: a terminal, a lock, the other end of a pipe.
    // SAFETY: this process has done nothing yet, as `enter` demands, and owns no descriptor.
    let alone = unsafe { sys::close_all_but(rustix::stdio::stdin()) };
    let Ok(control) = alone.and_then(|()| sys::take_stdin()) else {
        sys::exit_now(1)
    };
    // Not the launcher's: what is made here is for the sandbox's user, who starts with the usual mask too.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let outcome = clone(control.as_fd(), agent);
    if let Err(error) = &outcome {
        // Without a launcher there is nobody to tell.
        let _ = wire::report(control.as_fd(), &Report::from(error), None);
    }
    sys::exit_now(i32::from(outcome.is_err()))
}

fn clone(control: BorrowedFd<'_>, agent: fn(Inside) -> ExitCode) -> Result<(), Error> {
    // What is the same for most sandboxes comes before the order, since a spare helper has the time.
    let volunteered = privileges::volunteer_for_the_oom_killer();
    let mounts = PrivateMounts::with_surroundings();
    let surroundings = mounts.as_ref().map_or(Surroundings::Hosts, |_| Surroundings::Own);
    let ahead = mounts
        .as_ref()
        .ok()
        .map(|mounts| (surroundings::set_up(), Skeleton::build(mounts)));
    let order = wire::receive_order(control).during("receive the order to start")?;
    volunteered?;
    let (set_up, skeleton) = ahead.unzip();
    set_up.transpose()?;
    for entrance in &order.config.entrances {
        std::fs::write(entrance, "0").during_on("join a control group", entrance)?;
    }
    let mapping = order.config.mapping.clone();
    let opened = match mapping {
        Mapping::Root(_) => {
            let mounts = mounts.during("create a mount namespace")?;
            // If it could not be built, that is told when it cannot be built again.
            let skeleton = skeleton.and_then(Result::ok);
            Some(Opened::open(&mounts, skeleton, &order.config)?)
        }
        Mapping::Subordinate { .. } | Mapping::Single { .. } => None,
    };
    let image = opened.as_ref().and_then(|opened| opened.root.image());
    let tree = image.map(Image::tree).transpose()?;
    let prepared = Prepared { surroundings, opened };
    let birthplace = order
        .config
        .birthplace
        .as_deref()
        .map(open_directory)
        .transpose()?;
    let (wait, go) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).during("create a pipe")?;
    let theirs = control.try_clone_to_owned().during("share the control socket")?;
    let (pid, pidfd) = clone_init(theirs, wait, &go, birthplace, order, prepared, agent)?;
    // From here on, whatever goes wrong, closing `go` ends the new process.
    mapping.write(pid)?;
    if let Some(tree) = tree {
        map_owners(tree.as_fd(), pid)?;
    }
    let report = Report::Cloned {
        pid: pid.as_raw_nonzero().get(),
    };
    wire::report(control, &report, Some(pidfd.as_fd())).during("report the new process")?;
    rustix::io::write(&go, b"g").during("let the new process go")?;
    Ok(())
}

/// Has the owners of an image's files be those inside, with the ids that the sandbox has for them.
fn map_owners(tree: BorrowedFd<'_>, pid: Pid) -> Result<(), Error> {
    let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace = rustix::fs::open(&path, flags, Mode::empty()).during_on("open", &path)?;
    sys::map_mount_ids(tree, namespace.as_fd())
        .during("map the owners of the image's files (can the file system of its store do that?)")
}

fn open_directory(path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).during_on("open", path)
}

#[allow(unsafe_code)]
fn clone_init(
    control: OwnedFd,
    wait: OwnedFd,
    go: &OwnedFd,
    birthplace: Option<OwnedFd>,
    order: wire::Order,
    prepared: Prepared,
    agent: fn(Inside) -> ExitCode,
) -> Result<(Pid, OwnedFd), Error> {
    let helpers = [Some(go.as_raw_fd()), birthplace.as_ref().map(AsRawFd::as_raw_fd)];
    let surroundings = prepared.surroundings;
    let child = move || {
        // Held by the helper alone, `go` ends with the helper. The control group is the host's.
        for fd in helpers.into_iter().flatten() {
            // SAFETY: in the child, its owner is in a frame that is never returned to.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
        init::run(control, wait, order, prepared, agent)
    };
    // SAFETY: this process has a single thread: it has done nothing yet but run this module, as `enter` demands.
    unsafe {
        sys::clone_namespaces(
            Parent::ParentOfCaller,
            birthplace.as_ref().map(AsFd::as_fd),
            surroundings,
            child,
        )
    }
    .during(
        "create namespaces (are user namespaces allowed, and are fewer in use than user.max_user_namespaces says?)",
    )
}

//! Trying what this user may do, in a process that ends again.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Signal, WaitOptions};

use crate::error::{Context, Error};
use crate::idmap::Mapping;
use crate::surroundings::Surroundings;
use crate::sys::{self, Parent};

/// What was refused.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Completes the sentence "cannot …".
    pub(crate) step: &'static str,
    pub(crate) source: io::Error,
}

fn refused(step: &'static str) -> impl FnOnce(io::Error) -> Trial {
    move |source| Trial { step, source }
}

/// Makes the namespaces of a sandbox, maps its ids and changes a mount in them.
#[allow(unsafe_code)]
pub(crate) fn run(mapping: &Mapping) -> Result<(), Trial> {
    const NAMESPACES: &str = "create namespaces";
    const MOUNT: &str = "mount in a user namespace";
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from);
    let (wait, go) = pipe().map_err(refused(NAMESPACES))?;
    let child = || {
        // Held by the parent alone, it ends with the parent.
        // SAFETY: in the child, its owner is in a frame that is never returned to.
        unsafe { rustix::io::close(go.as_raw_fd()) };
        if !matches!(rustix::io::read(&wait, &mut [0]), Ok(1)) {
            return libc::EINTR;
        }
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", private)
            .err()
            .map_or(0, |error| error.raw_os_error())
    };
    // SAFETY: the child makes a few system calls and neither allocates nor locks.
    let (pid, _pidfd) = unsafe { sys::clone_namespaces(Parent::Caller, None, Surroundings::Hosts, child) }
        .map_err(io::Error::from)
        .map_err(refused(NAMESPACES))?;
    let mapped = mapping.write(pid);
    if mapped.is_err() {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    } else {
        let _ = rustix::io::write(&go, b"g");
    }
    let ended = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
    mapped.map_err(|error| Trial {
        step: "map user ids",
        source: into_io(error),
    })?;
    match ended
        .map_err(io::Error::from)
        .map_err(refused(MOUNT))?
        .and_then(|(_, status)| status.exit_status())
    {
        Some(0) => Ok(()),
        Some(error) => Err(Trial {
            step: MOUNT,
            source: io::Error::from_raw_os_error(error),
        }),
        None => Err(Trial {
            step: MOUNT,
            source: io::ErrorKind::Interrupted.into(),
        }),
    }
}

/// Moves a process that ends at once to a control group.
#[allow(unsafe_code)]
pub(crate) fn join(entrance: &Path) -> Result<(), Error> {
    let step = "move a process to a control group";
    let file = File::options()
        .write(true)
        .open(entrance)
        .during_on(step, entrance)?;
    let child = || {
        rustix::io::write(&file, b"0")
            .err()
            .map_or(0, Errno::raw_os_error)
    };
    // SAFETY: the child makes one system call.
    let pid = unsafe { sys::fork(child) }.during("start a process")?;
    let ended = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
    match ended
        .during("wait for a process")?
        .and_then(|(_, status)| status.exit_status())
    {
        Some(0) => Ok(()),
        error => Err(io::Error::from_raw_os_error(error.unwrap_or(libc::EINTR))).during_on(step, entrance),
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Step { source, .. } => source,
        other => io::Error::other(other),
    }
}

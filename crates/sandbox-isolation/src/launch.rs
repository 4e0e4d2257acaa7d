//! Starting a sandbox.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;

use crate::cgroup::{Controller, Group};
use crate::error::{Context, Error};
use crate::handle::{Handle, Sandbox};
use crate::host::Host;
use crate::idmap::Mapping;
use crate::process::pid_from;
use crate::spare::Helper;
use crate::wire::{self, Config, Handed, Report, Root};

/// The longest wait for a new sandbox. It takes milliseconds; a machine under load takes longer.
const LIMIT: Duration = Duration::from_secs(30);

const LONGEST_PAYLOAD: usize = 256 * 1024;

/// A sandbox to start.
#[derive(Clone, Debug)]
pub struct LaunchSpec<'a> {
    /// Names its cgroups: `[a-z0-9-]{1,64}`, unique among the sandboxes of this user on this host.
    pub name: &'a str,
    /// The program that becomes its first process; see [`enter`](crate::enter).
    pub program: &'a Path,
    /// What it may use.
    pub limits: Limits,
    /// What its file system is made of.
    pub rootfs: RootFs<'a>,
    /// A listening socket for the first process.
    pub listener: BorrowedFd<'a>,
    /// Bytes for the first process, at most 256 KiB. They never appear in an argument or in the environment.
    pub payload: &'a [u8],
}

/// What a sandbox may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory for its processes, from 16 MiB on.
    pub memory_bytes: u64,
    /// Bytes of files in `/workspace`, `/home/sandbox`, `/tmp` and `/dev/shm` together, from 1 MiB on. They are kept
    /// in memory, on top of `memory_bytes`.
    pub disk_bytes: u64,
    /// Number of processes and threads, from 8 on.
    pub pids: u32,
    /// Processor time per second, in thousandths of one processor, from 10 on.
    pub cpu_millis: u32,
    /// Open files per process, from 64 on.
    pub open_files: u32,
}

impl Limits {
    /// The lowest of each; a sandbox with less is refused.
    pub const LEAST: Self = Self {
        memory_bytes: 16 << 20,
        disk_bytes: 1 << 20,
        pids: 8,
        cpu_millis: 10,
        open_files: 64,
    };
}

/// What the file system of a sandbox is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RootFs<'a> {
    /// The host's own programs and libraries, read-only.
    HostUsr {
        /// Further absolute paths of the host that appear at the same place, read-only.
        extra: Vec<PathBuf>,
    },
    /// A tree of files that sandboxes share. Whatever one of them writes is its own, and counts against
    /// [`Limits::disk_bytes`].
    ///
    /// Its owners are those inside where root starts the sandbox, which takes a file system that can map ids (ext4, xfs,
    /// btrfs, tmpfs). For anybody else its files have to be the user's own. Where the sandbox then has no user ids but that
    /// one, only its own directories can be written.
    Image {
        /// The absolute path of the tree's root, which nobody writes to.
        tree: PathBuf,
        /// Stays open for as long as the sandbox lives: a lock, say, that keeps the tree.
        lease: BorrowedFd<'a>,
    },
}

/// A sandbox just started, and what it hangs by.
#[derive(Debug)]
pub struct Launched {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// Ends it when dropped.
    pub lifeline: Lifeline,
}

/// Ties a sandbox to this process: when it is dropped, or the process ends in whatever way, the sandbox ends.
#[derive(Debug)]
#[must_use = "dropping the lifeline ends the sandbox"]
pub struct Lifeline(OwnedFd);

impl Lifeline {
    /// Lets the sandbox live on without this process.
    ///
    /// # Errors
    ///
    /// The sandbox has ended.
    pub fn release(self) -> io::Result<()> {
        rustix::io::write(&self.0, b"r")?;
        Ok(())
    }
}

impl LaunchSpec<'_> {
    fn check(&self) -> Result<(), Error> {
        check_name(self.name)?;
        if self.payload.len() > LONGEST_PAYLOAD {
            return Err(invalid("the payload", "it is longer than 256 KiB"));
        }
        let Limits {
            memory_bytes,
            disk_bytes,
            pids,
            cpu_millis,
            open_files,
        } = self.limits;
        let least = Limits::LEAST;
        let lowest = [
            ("memory_bytes", memory_bytes, least.memory_bytes),
            ("disk_bytes", disk_bytes, least.disk_bytes),
            ("pids", pids.into(), least.pids.into()),
            ("cpu_millis", cpu_millis.into(), least.cpu_millis.into()),
            ("open_files", open_files.into(), least.open_files.into()),
        ];
        for (what, value, lowest) in lowest {
            if value < lowest {
                return Err(invalid(what, &format!("{value} is below {lowest}")));
            }
        }
        match &self.rootfs {
            RootFs::HostUsr { extra } => extra
                .iter()
                .try_for_each(|path| check_path("an extra path", path)),
            RootFs::Image { tree, .. } => check_path("the tree of an image", tree),
        }
    }
}

/// Checks a sandbox's name, which becomes the name of directories.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(invalid(
        "the name of the sandbox",
        "it has to be 1 to 64 of a-z, 0-9 and -",
    ))
}

fn check_path(what: &'static str, path: &Path) -> Result<(), Error> {
    let mut parts = path.components();
    let absolute = parts.next() == Some(Component::RootDir);
    let mut below = parts.peekable();
    if absolute && below.peek().is_some() && below.all(|part| matches!(part, Component::Normal(_))) {
        return Ok(());
    }
    Err(invalid(
        what,
        &format!("{} is not absolute and plain", path.display()),
    ))
}

fn invalid(what: &'static str, why: &str) -> Error {
    Error::Invalid {
        what,
        why: why.to_owned(),
    }
}

/// Starts a sandbox.
pub(crate) fn launch(host: &Host, spec: &LaunchSpec<'_>) -> Result<Launched, Error> {
    spec.check()?;
    let mapping = host.mapping(spec.name)?;
    let (group, lock) = host.cgroups().create(spec.name, &spec.limits, mapping.owner())?;
    let mut attempt = Attempt {
        group: Some(group),
        helper: None,
        sandbox: None,
    };
    let helper = attempt.helper.insert(host.spare().take(spec.program)?);

    let (lifeline, write_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).during("create a pipe")?;
    let config = config(host, spec, mapping, attempt.group.as_ref());
    let handed = Handed {
        listener: spec.listener,
        lifeline: lifeline.as_fd(),
        lease: match &spec.rootfs {
            RootFs::HostUsr { .. } => None,
            RootFs::Image { lease, .. } => Some(*lease),
        },
    };
    match wire::order(helper.control(), &config, spec.payload, handed) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Error::EndedEarly),
        result => result.during("send the order")?,
    }
    drop(lifeline);
    // The sandbox is busy setting itself up.
    host.spare().prepare(spec.program);
    attempt.await_ready(spec.name)?;
    drop(lock);
    Ok(Launched {
        sandbox: attempt.succeed()?,
        lifeline: Lifeline(write_end),
    })
}

fn config(host: &Host, spec: &LaunchSpec<'_>, mapping: Mapping, group: Option<&Group>) -> Config {
    let root = match &spec.rootfs {
        RootFs::HostUsr { extra } => Root::Host { extra: extra.clone() },
        RootFs::Image { tree, .. } => Root::Image { tree: tree.clone() },
    };
    let limited = |controller| host.cgroups().limits(controller);
    Config {
        mapping,
        entrances: group.map(Group::entrances).unwrap_or_default(),
        birthplace: group.and_then(Group::birthplace),
        delegated: group.and_then(Group::delegated),
        root,
        disk_bytes: spec.limits.disk_bytes,
        open_files: spec.limits.open_files,
        data_bytes: (!limited(Controller::Memory)).then_some(spec.limits.memory_bytes),
        processes: (!limited(Controller::Pids)).then_some(spec.limits.pids),
    }
}

/// What a launch has made so far, all of which goes again when it is dropped.
struct Attempt {
    group: Option<Group>,
    helper: Option<Helper>,
    sandbox: Option<Sandbox>,
}

impl Attempt {
    /// Waits for both reports.
    fn await_ready(&mut self, name: &str) -> Result<(), Error> {
        let control = self.helper.as_ref().ok_or(Error::EndedEarly)?.control();
        let deadline = Instant::now() + LIMIT;
        loop {
            await_message(control, deadline)?;
            match wire::receive_report(control).during("receive a report")? {
                Some((Report::Cloned { pid }, Some(pidfd))) => {
                    let pid = pid_from(pid).ok_or(Error::EndedEarly)?;
                    let handle = Handle::of(name, pid, self.group.take().unwrap_or_default())?;
                    self.sandbox = Some(Sandbox::new(handle, pidfd));
                }
                Some((Report::Ready, _)) => return Ok(()),
                Some((Report::Failed { step, path, error }, _)) => {
                    return Err(Error::Step {
                        step,
                        path,
                        source: io::Error::from_raw_os_error(error),
                    });
                }
                Some((Report::Cloned { .. }, None)) | None => return Err(Error::EndedEarly),
            }
        }
    }

    fn succeed(mut self) -> Result<Sandbox, Error> {
        if let Some(helper) = self.helper.take() {
            helper.wait().during("wait for the helper")?;
        }
        self.sandbox.take().ok_or(Error::EndedEarly)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        drop(self.helper.take());
        let gone = match (self.sandbox.take(), self.group.take()) {
            (Some(sandbox), _) => sandbox.destroy(),
            (None, Some(group)) => group.remove(),
            (None, None) => Ok(()),
        };
        if let Err(error) = gone {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a failed launch could not be undone"
            );
        }
    }
}

fn await_message(control: BorrowedFd<'_>, deadline: Instant) -> Result<(), Error> {
    let mut ready = [PollFd::new(&control, PollFlags::IN)];
    let polled = rustix::io::retry_on_intr(|| {
        let left = deadline.saturating_duration_since(Instant::now());
        rustix::event::poll(&mut ready, Timespec::try_from(left).ok().as_ref())
    });
    match polled.during("wait for the sandbox")? {
        0 => Err(Error::Timeout {
            what: "the sandbox to be set up",
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["a", "0-9", &"x".repeat(64)] {
            check_name(name).unwrap();
        }
        for name in ["", "A", "a/b", "..", "a b", "ä", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        check_path("it", Path::new("/opt/python")).unwrap();
        for path in ["", "/", "opt", "/opt/../etc", "../x"] {
            assert!(check_path("it", Path::new(path)).is_err(), "{path}");
        }
    }
}

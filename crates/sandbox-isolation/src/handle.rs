//! A running sandbox, seen from outside.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};

use crate::cgroup::Group;
use crate::error::{Context, Error};
use crate::process::pid_from;

/// The longest wait for a sandbox to end. It takes milliseconds; a machine under load takes longer.
const LIMIT: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};

/// What identifies a sandbox for as long as the host runs: enough to find it again after a restart of the server and
/// never to mistake another process for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handle {
    pub(crate) name: String,
    pub(crate) pid: i32,
    /// In clock ticks since the host started.
    pub(crate) start_time: u64,
    pub(crate) boot_id: String,
    pub(crate) group: Group,
}

impl Handle {
    /// The handle of a process that runs.
    pub(crate) fn of(name: &str, pid: Pid, group: Group) -> Result<Self, Error> {
        let start_time = start_time(pid)?.ok_or(Error::EndedEarly)?;
        let pid = pid.as_raw_nonzero().get();
        Ok(Self {
            name: name.to_owned(),
            pid,
            start_time,
            boot_id: boot_id()?,
            group,
        })
    }

    /// The name the sandbox was launched with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process, as this host numbers it. The number alone identifies nothing: it may be another's by now.
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Opens the process this is the handle of, and no other, if it still runs.
    fn open(&self) -> Result<Option<OwnedFd>, Error> {
        let Some(pid) = pid_from(self.pid) else {
            return Ok(None);
        };
        if self.boot_id != boot_id()? {
            return Ok(None);
        }
        let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            // It may be a thread by now, which is refused.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error).during("open the first process of the sandbox"),
        };
        // In this order: what the descriptor stands for cannot change any more.
        Ok((start_time(pid)? == Some(self.start_time) && !has_ended(pidfd.as_fd())).then_some(pidfd))
    }
}

fn boot_id() -> Result<String, Error> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(PATH)
        .during_on("read", PATH)?
        .trim()
        .to_owned())
}

/// When a process was started, or `None` if there is none of that id.
fn start_time(pid: Pid) -> Result<Option<u64>, Error> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    match fs::read(&path) {
        Ok(stat) => Ok(parse_start_time(&stat)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error).during_on("read", &path),
    }
}

/// The 22nd field. The second is a name in parentheses that may hold anything.
fn parse_start_time(stat: &[u8]) -> Option<u64> {
    const AFTER_NAME: usize = 22 - 3;
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(AFTER_NAME)?.parse().ok()
}

fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    const NOW: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
    matches!(
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut ended, Some(&NOW))),
        Ok(1)
    )
}

/// A sandbox that was started or found again. Dropping this changes nothing.
#[derive(Debug)]
pub struct Sandbox {
    handle: Handle,
    pidfd: OwnedFd,
}

/// What a sandbox uses. `None` is what this host does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of memory in use, the files of the sandbox included.
    pub memory_bytes: Option<u64>,
    /// Number of processes and threads.
    pub pids: Option<u64>,
    /// Processor time used so far.
    pub cpu_time: Option<Duration>,
}

impl Sandbox {
    pub(crate) fn new(handle: Handle, pidfd: OwnedFd) -> Self {
        Self { handle, pidfd }
    }

    pub(crate) fn adopt(handle: &Handle) -> Result<Option<Self>, Error> {
        Ok(handle.open()?.map(|pidfd| Self::new(handle.clone(), pidfd)))
    }

    /// What identifies it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Its first process; readable once that has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether its first process runs.
    pub fn is_alive(&self) -> bool {
        !has_ended(self.pidfd())
    }

    /// Kills everything in it, waits until it is gone, and reaps it if it is a child of this process. Its cgroups are
    /// left, empty, for [`destroy`](Self::destroy). Doing it again, or at the same time, is fine.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if the kernel does not end it in time.
    pub fn kill(&self) -> Result<(), Error> {
        match rustix::process::pidfd_send_signal(self.pidfd(), Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error).during("kill the first process of the sandbox"),
        }
        // Its death is that of every process of its namespace, wherever they are. Killing those beforehand saves it
        // from waiting for them one by one.
        self.handle.group.kill();
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let polled = rustix::io::retry_on_intr(|| rustix::event::poll(&mut ended, Some(&LIMIT)));
        if polled.during("wait for the end of the sandbox")? == 0 {
            return Err(Error::Timeout {
                what: "the end of the sandbox",
            });
        }
        self.reap()
    }

    /// As [`kill`](Self::kill), and removes its cgroups.
    ///
    /// # Errors
    ///
    /// Also [`Error::Step`] if a cgroup cannot be removed.
    pub fn destroy(&self) -> Result<(), Error> {
        self.kill()?;
        self.handle.group.remove()
    }

    fn reap(&self) -> Result<(), Error> {
        let id = WaitId::PidFd(self.pidfd());
        match rustix::io::retry_on_intr(|| rustix::process::waitid(id.clone(), WaitIdOptions::EXITED)) {
            // Not a child of this process, or reaped before.
            Ok(_) | Err(Errno::CHILD) => Ok(()),
            Err(error) => Err(error).during("reap the first process of the sandbox"),
        }
    }

    /// Stops every process of the sandbox's user; the first process stays awake. A process it starts meanwhile stops
    /// before it executes anything, and [`Processes::spawn`](crate::Processes::spawn) waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where [`Capabilities::pause`](crate::Capabilities) is false.
    pub fn freeze(&self) -> Result<(), Error> {
        self.set_frozen(true)
    }

    /// Lets the processes run again.
    ///
    /// # Errors
    ///
    /// As [`freeze`](Self::freeze).
    pub fn thaw(&self) -> Result<(), Error> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), Error> {
        if self.handle.group.freeze(frozen)? {
            return Ok(());
        }
        let why = String::from("there is no control group of version 2 that this process may use");
        Err(Error::Unsupported { what: "pausing", why })
    }

    /// What it uses at the moment.
    ///
    /// # Errors
    ///
    /// [`Error::Step`] if a counter cannot be read, as after its end.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.handle.group.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_start_time_past_a_hostile_name() {
        let stat = b"7 (a) S 1) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_start_time(stat), Some(4242));
        assert_eq!(parse_start_time(b"7 (a) S 1"), None);
        assert_eq!(parse_start_time(b""), None);
    }

    #[test]
    fn finds_only_the_process_it_was_made_of() {
        let handle = Handle::of("a", rustix::process::getpid(), Group::default()).unwrap();
        assert!(handle.open().unwrap().is_some());
        let stored: Handle = serde_json::from_str(&serde_json::to_string(&handle).unwrap()).unwrap();
        assert_eq!(stored, handle);
        let others = [
            Handle {
                start_time: handle.start_time + 1,
                ..handle.clone()
            },
            Handle {
                boot_id: String::from("another"),
                ..handle.clone()
            },
            Handle {
                pid: -1,
                ..handle.clone()
            },
            Handle {
                pid: i32::MAX,
                ..handle.clone()
            },
        ];
        for other in others {
            assert!(other.open().unwrap().is_none(), "{other:?}");
        }
    }
}

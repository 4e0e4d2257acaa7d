//! A running sandbox, seen from outside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

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
    pub(crate) cgroups: Vec<PathBuf>,
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
    /// What identifies it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Its first process; readable once that has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Sandbox {
    fn unsupported<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::Unsupported {
            what,
            why: String::from("not built yet"),
        })
    }

    /// Kills everything in it, waits until it is gone, reaps it if it is a child of this process, and removes its
    /// cgroups. Doing it again, or at the same time, is fine.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if the kernel does not end it in time, [`Error::Step`] if a cgroup cannot be removed.
    pub fn destroy(&self) -> Result<(), Error> {
        self.unsupported("destroying")
    }

    /// Whether its first process runs.
    pub fn is_alive(&self) -> bool {
        false
    }

    /// Stops every process of the sandbox's user; the first process stays awake.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] where [`Capabilities::pause`](crate::Capabilities) is false.
    pub fn freeze(&self) -> Result<(), Error> {
        self.unsupported("pausing")
    }

    /// Lets the processes run again.
    ///
    /// # Errors
    ///
    /// As [`freeze`](Self::freeze).
    pub fn thaw(&self) -> Result<(), Error> {
        self.unsupported("pausing")
    }

    /// What it uses at the moment.
    ///
    /// # Errors
    ///
    /// [`Error::Step`] if a counter cannot be read, as after its end.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.unsupported("counting")
    }
}

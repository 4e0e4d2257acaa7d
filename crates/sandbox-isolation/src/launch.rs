//! Starting a sandbox.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::handle::Sandbox;

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
    pub rootfs: RootFs,
    /// A listening socket for the first process.
    pub listener: BorrowedFd<'a>,
    /// Bytes for the first process, at most 64 KiB. They never appear in an argument or in the environment.
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

/// What the file system of a sandbox is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootFs {
    /// The host's own programs and libraries, read-only.
    HostUsr {
        /// Further absolute paths of the host that appear at the same place, read-only.
        extra: Vec<PathBuf>,
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

//! The first process of a sandbox.

use std::os::fd::OwnedFd;
use std::process::ExitCode;

use crate::process::Processes;

/// The argument a program is started with to become a sandbox.
pub const INIT_ARGUMENT: &str = "__sandbox-init";

/// What the agent, as PID 1 of a sandbox, is given.
#[derive(Debug)]
pub struct Inside {
    /// [`LaunchSpec::payload`](crate::LaunchSpec).
    pub payload: Vec<u8>,
    /// [`LaunchSpec::listener`](crate::LaunchSpec).
    pub listener: OwnedFd,
    /// End of file: the agent has to exit at once. One byte: the sandbox lives on without its launcher, and the
    /// lifeline means nothing from then on.
    pub lifeline: OwnedFd,
    /// Starts the processes of the sandbox's user.
    pub processes: Processes,
}

/// Becomes a sandbox and runs the agent in it as PID 1.
///
/// To be called before the program does anything else, in particular before it starts a thread, when its first
/// argument is [`INIT_ARGUMENT`]. When `run` returns the sandbox ends, and everything in it.
pub fn enter(run: fn(Inside) -> ExitCode) -> ! {
    let _ = run;
    std::process::exit(1)
}

//! One isolated process tree on Linux: namespaces, mounts, cgroups, seccomp.
//!
//! The host side ([`Host`], [`Sandbox`]) starts, finds again, freezes and ends sandboxes. Its calls block.
//! The inside ([`enter`], [`Inside`], [`Processes`]) is PID 1 of a sandbox and starts the processes of the sandbox's
//! user. Both are the same program: a sandbox is started by running [`LaunchSpec::program`] with the one argument
//! [`INIT_ARGUMENT`], and that program has to call [`enter`] before it does anything else.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use sandbox_isolation::{INIT_ARGUMENT, Inside};
//!
//! fn agent(inside: Inside) -> ExitCode {
//!     // serve inside.listener until inside.lifeline reports the end
//!     drop(inside);
//!     ExitCode::SUCCESS
//! }
//!
//! if std::env::args_os().nth(1).is_some_and(|argument| argument == INIT_ARGUMENT) {
//!     sandbox_isolation::enter(agent);
//! }
//! ```
//!
//! **Invariants.** `unsafe` is what wraps a system call, in `sys.rs`, and what vouches for the code that runs in a
//! process just forked. A launch that fails, or whose launcher is killed, leaves no process
//! and no mount behind; the empty cgroup directories a killed launcher leaves are removed by the next
//! [`Host::probe`]. Nothing of the host can be written from inside, and no file descriptor of PID 1 leads into a
//! directory of the host.

mod capabilities;
mod cgroup;
mod error;
mod handle;
mod helper;
mod host;
mod idmap;
mod init;
mod launch;
mod own;
mod privileges;
mod process;
mod root;
mod scope;
mod seccomp;
mod spare;
mod spawn;
mod subreaper;
mod surroundings;
mod sys;
mod terminal;
mod trial;
mod wire;

pub use rustix::process::Signal;

pub use crate::capabilities::{Capabilities, IdMapping, KillScope, Missing};
pub use crate::error::Error;
pub use crate::handle::{Handle, Sandbox, Stats};
pub use crate::host::Host;
pub use crate::init::{INIT_ARGUMENT, Inside, enter};
pub use crate::launch::{LaunchSpec, Launched, Lifeline, Limits, RootFs};
pub use crate::process::{Exit, ExitStatus, Process, Processes, Program, Spawn};
pub use crate::sys::give_back_free_memory;
pub use crate::terminal::Terminal;

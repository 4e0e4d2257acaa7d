//! PID 1 of a sandbox and its SSH server.
//!
//! A sandbox is the current program, started again with a hidden first argument. Every `main` that hosts
//! sandboxes therefore begins with [`run_if_asked`]:
//!
//! ```no_run
//! sandbox_agent::run_if_asked();
//! // … what the program does otherwise
//! ```

mod agent;
mod config;
mod connection;
mod credentials;
mod environment;
mod exec;
mod flow;
mod forward;
mod heap;
mod init;
mod input;
pub mod memory;
mod outlet;
mod place;
mod program;
mod reaper;
mod run;
mod sftp;
mod signal;
mod terminal;
mod wiring;

pub use agent::Agent;
pub use config::{AgentConfig, AgentLimits};
pub use place::Place;
pub use sandbox_isolation::INIT_ARGUMENT;

/// The first argument that makes this program the SFTP server inside a sandbox.
pub const SFTP_ARGUMENT: &str = "__sandbox-sftp";

/// An environment variable requested over SSH that is an option for the agent: milliseconds after which the
/// agent itself kills all that a command started. It then reports the signal `KILL` with the message
/// [`TIMEOUT_MESSAGE`], after all output so far. Honoured on connections of the control key, refused on
/// others.
pub const TIMEOUT_VARIABLE: &str = "SANDBOX_AGENT_TIMEOUT_MS";

/// An environment variable requested over SSH that is an option for the agent: how many milliseconds after
/// the end of a command its outputs may stay open in the hands of processes that it left in the background.
/// Then the exit status is reported and they go on running. Without it the agent waits until they close their
/// outputs, as sshd does. Honoured on connections of the control key, refused on others.
pub const LINGER_VARIABLE: &str = "SANDBOX_AGENT_LINGER_MS";

/// The message beside the signal `KILL` when a command was killed for [`TIMEOUT_VARIABLE`].
pub const TIMEOUT_MESSAGE: &str = "timeout";

/// The user to authenticate as.
pub const USER: &str = "sandbox";

/// Becomes the init process or the SFTP server of a sandbox if the first argument says so, and then never
/// returns; otherwise returns at once.
pub fn run_if_asked() {
    let Some(argument) = std::env::args_os().nth(1) else {
        return;
    };
    if argument == INIT_ARGUMENT {
        sandbox_isolation::enter(init::run);
    }
    if argument == SFTP_ARGUMENT {
        std::process::exit(sftp::run());
    }
}

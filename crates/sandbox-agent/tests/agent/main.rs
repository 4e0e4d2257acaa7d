//! The agent, run natively as the current user, and asked over SSH as the server and users ask it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that does not get what it expects has failed"
)]

mod authentication;
mod exec;
mod extensions;
mod flow;
mod forward;
mod harness;
mod openssh;
mod sandbox;
mod sftp;
mod terminal;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    openssh::proxy_if_asked();
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> = [
        authentication::trials(),
        exec::trials(),
        flow::trials(),
        forward::trials(),
        openssh::trials(),
        sandbox::trials(),
        sftp::trials(),
        extensions::trials(),
        terminal::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

//! SSH to sessions: the SDK, through the server's port, to the agent in a sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test without the standard harness does not count as one for these lints"
)]

mod agent;
mod answers;
mod bulk;
mod commands;
mod cycles;
mod endings;
mod environment;
mod files;
mod house;
mod login;
mod noise;
mod openssh;
mod ports;
mod process;
mod processes;
mod resume;
mod retries;
mod role;
mod server;
mod token;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Arguments;

use crate::house::House;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = role::play_if_asked() {
        return ended;
    }
    let arguments = Arguments::from_args();
    let house = match House::start() {
        Ok(house) => Arc::new(house),
        Err(error) => {
            println!("skipped: this host cannot make sandboxes: {error}");
            return ExitCode::SUCCESS;
        }
    };
    let trials = [
        answers::trials(&house),
        bulk::trials(&house),
        commands::trials(&house),
        cycles::trials(&house),
        endings::trials(&house),
        environment::trials(&house),
        files::trials(&house),
        login::trials(&house),
        openssh::trials(&house),
        ports::trials(&house),
        processes::trials(&house),
        token::trials(&house),
        resume::trials(&house),
        retries::trials(&house),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    Arc::into_inner(house).expect("every trial has ended").stop();
    conclusion.exit_code()
}

//! SSH to sessions: the SDK, through the server's port, to the agent in a sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test without the standard harness does not count as one for these lints"
)]

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
mod processes;
mod resume;
mod retries;
mod server;
mod token;

use std::process::ExitCode;

use contract_tests::{Play, play_if_asked, suite};

use crate::house::House;

const ROLES: [(&str, Play); 3] = [
    ("server", server::serve),
    ("busy", endings::be_busy),
    ("cycles", cycles::turn),
];

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = play_if_asked(&ROLES) {
        return ended;
    }
    let rooms = [
        bulk::trials,
        commands::trials,
        cycles::trials,
        endings::trials,
        environment::trials,
        files::trials,
        login::trials,
        openssh::trials,
        ports::trials,
        processes::trials,
        token::trials,
        resume::trials,
        retries::trials,
    ];
    suite::run(House::start, &rooms, House::stop)
}

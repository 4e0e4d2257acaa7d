//! The SDK and the server together, when the network between them fails and when there is much to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod lost_answers;
mod parallel;

use std::process::ExitCode;

use contract_tests::{OwnersHouse, suite};

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    suite::run(
        OwnersHouse::start,
        &[lost_answers::trials, parallel::trials],
        OwnersHouse::stop,
    )
}

//! What code in a session may not do, tried from inside real sessions, and what one session can do to another.
//!
//! Run by root, the whole suite runs a second time as an ordinary user.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod house;
mod limits;
mod ordinary_user;
mod probes;

use std::process::ExitCode;

use contract_tests::suite;

use crate::house::House;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let rooms = [probes::trials, limits::trials, ordinary_user::trials];
    suite::run(House::start, &rooms, House::stop)
}

//! Sessions of real images, through a real server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod house;
mod lives;
mod programs;
mod refusals;
mod sharing;

use std::process::ExitCode;

use contract_tests::{images, suite};

use crate::house::House;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if !images::can_be_made() {
        println!("skipped: there is no umoci and no busybox to make images with");
        return ExitCode::SUCCESS;
    }
    let rooms = [programs::trials, lives::trials, refusals::trials, sharing::trials];
    suite::run(House::start, &rooms, House::stop)
}

//! Files through a real server into real sessions: what a large one costs, and what a broken or refused one leaves.
//!
//! Server and client are processes of their own (this program again), so that each one's memory can be told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod large;
mod pressure;
mod refusals;

use std::process::ExitCode;
use std::sync::Arc;

use contract_tests::{Play, ServerProcess, play_if_asked, suite};
use libtest_mimic::{Failed, Trial};
use sandbox_server::{Limits, ServerConfig};

/// Twice the large file, and something for the processes.
const SPACE: u64 = 3 << 30;

const ROLES: [(&str, Play); 2] = [("server", serve), ("client", large::run)];

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = play_if_asked(&ROLES) {
        return ended;
    }
    suite::run(start_server, &[trials], ServerProcess::stop)
}

fn start_server() -> Result<ServerProcess, String> {
    ServerProcess::start("server")
}

fn serve(arguments: &[&str]) -> ExitCode {
    contract_tests::serve(arguments, |config: ServerConfig| {
        config.limits(Limits {
            memory_bytes: SPACE,
            disk_bytes: SPACE,
            ..Limits::default()
        })
    })
}

fn trials(server: &Arc<ServerProcess>) -> Vec<Trial> {
    let trial = |name: &str, run: fn(&ServerProcess) -> Result<(), Failed>| {
        let server = server.clone();
        Trial::test(name, move || run(&server))
    };
    vec![
        trial(
            "a_gigabyte_goes_in_and_out_in_less_than_32_mib_of_memory",
            large::a_gigabyte,
        ),
        trial(
            "nothing_piles_up_before_an_end_that_is_slow",
            pressure::nothing_piles_up,
        ),
        trial("refusals_have_the_codes_of_the_contract", refusals::codes),
        trial("an_abandoned_upload_leaves_nothing", refusals::abandoned),
        trial("an_abandoned_download_ends_nothing_else", refusals::half_read),
    ]
}

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
mod memory;
mod pressure;
mod refusals;
mod role;
mod server;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::role::Role;
use crate::server::ServerProcess;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    match Role::of_this_process() {
        Some(Role::Server) => return server::run(),
        Some(Role::Client) => return large::run(),
        None => {}
    }
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let server = match ServerProcess::start() {
        Ok(server) => Arc::new(server),
        Err(error) => {
            println!("skipped: this host cannot make sandboxes: {error}");
            return ExitCode::SUCCESS;
        }
    };
    let conclusion = libtest_mimic::run(&arguments, trials(Some(&server)));
    Arc::into_inner(server).expect("every trial has ended").stop();
    conclusion.exit_code()
}

/// All trials; without a server they can only be listed.
fn trials(server: Option<&Arc<ServerProcess>>) -> Vec<Trial> {
    let trial = |name: &str, run: fn(&ServerProcess) -> Result<(), Failed>| {
        let server = server.cloned();
        Trial::test(name, move || run(&server.expect("trials run with a server")))
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

//! A server that is killed at any moment, and what the next one makes of it.
//!
//! `CRASH_ROUNDS` says how often, `CRASH_SEED` when: both in `cargo test -p contract-tests --test crash`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test without the standard harness does not count as one for these lints"
)]

mod audit;
mod deadlines;
mod faults;
mod ledger;
mod load;
mod rounds;
mod scene;
mod strays;

use std::num::NonZeroU32;
use std::process::ExitCode;

use contract_tests::{Play, play_if_asked, suite};
use sandbox_server::{Lifetime, ServerConfig};

use crate::scene::Stage;

const ROLES: [(&str, Play); 1] = [(scene::SERVER, serve)];

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = play_if_asked(&ROLES) {
        return ended;
    }
    suite::run(
        Stage::set,
        &[faults::trials, deadlines::trials, rounds::trials],
        drop,
    )
}

/// The role of a server whose sessions outlive it.
fn serve(arguments: &[&str]) -> ExitCode {
    contract_tests::serve(arguments, |config: ServerConfig| {
        config.lifetime(Lifetime::Persistent).rate_limit(NonZeroU32::MAX)
    })
}

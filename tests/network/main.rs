//! What a broken network does to clients and servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test without the standard harness does not count as one for these lints"
)]

mod campaign;
mod descriptors;
mod endings;
mod half_open;
mod proxy;
mod remains;
mod rest;
mod scripted;
mod slow_heads;
mod tunnel;
mod verdict;

use std::process::ExitCode;

use contract_tests::{OwnersHouse, Play, play_if_asked, serve, suite};

const ROLES: [(&str, Play); 6] = [
    ("server", |arguments| serve(arguments, |config| config)),
    ("asking", half_open::serve_asking),
    ("not-asking", half_open::serve_without_asking),
    ("cramped", descriptors::serve_cramped),
    ("persistent", descriptors::serve_persistent),
    ("spin", descriptors::spin),
];

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = play_if_asked(&ROLES) {
        return ended;
    }
    let rooms = [
        proxy::trials,
        rest::trials,
        tunnel::trials,
        slow_heads::trials,
        half_open::trials,
        endings::trials,
        descriptors::trials,
        remains::trials,
        campaign::trials,
    ];
    suite::run(OwnersHouse::start, &rooms, OwnersHouse::stop)
}

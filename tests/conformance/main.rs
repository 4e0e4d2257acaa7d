//! Whether a server is one of this API: everything that a client can find out, through the SDK and through plain HTTP.
//!
//! Without `SANDBOX_API_URL` it is the server of this workspace that is asked; with it, and with `SANDBOX_API_TOKEN`,
//! the one with that address. `cargo xtask conformance` is a more convenient way to say so. A trial fails when the
//! server does not do what it should, or when anything that was said on the way is not what the document allows. What
//! the document lets a server refuse is reported as unsupported. Sessions that a trial has made are deleted after it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test without the standard harness does not count as one for these lints"
)]

mod access;
mod answer;
mod execution;
mod files;
mod idempotency;
mod pauses;
mod report;
mod server;
mod sessions;
mod trial;
mod tunnel;
mod wrong_server;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Arguments;

use crate::server::{NoServer, Server};

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let mut arguments = Arguments::from_args();
    // One after the other, so that what was said belongs to one trial.
    arguments.test_threads = Some(1);
    let server = match Server::chosen() {
        Ok(server) => Arc::new(server),
        Err(NoServer::OfThisHost(error)) => {
            println!("skipped: this host cannot make sandboxes: {error}");
            return ExitCode::SUCCESS;
        }
        Err(NoServer::Named(what)) => {
            eprintln!("error: {what}");
            return ExitCode::FAILURE;
        }
    };
    report::keep_panics();
    let rooms = [
        access::trials(&server),
        sessions::trials(&server),
        idempotency::trials(&server),
        pauses::trials(&server),
        execution::trials(&server),
        files::trials(&server),
        tunnel::trials(&server),
    ];
    let mut trials: Vec<_> = rooms.into_iter().flatten().collect();
    if server.is_of_this_workspace() {
        trials.extend(wrong_server::trials());
    }
    let lists = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    let server = Arc::into_inner(server).expect("every trial has ended");
    if !lists {
        println!("{}", server.report());
    }
    server.stop();
    conclusion.exit_code()
}

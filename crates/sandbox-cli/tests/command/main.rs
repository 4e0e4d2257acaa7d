//! The command as people use it: real processes, real sessions, and nothing left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod copy;
mod examples;
mod forwarding;
mod images;
mod interactive;
mod leftovers;
mod resume;
mod run;
mod serve;
mod snapshot;
mod snapshots;
mod ssh;
mod support;
mod terminal;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if let Some(reason) = support::cannot_make_sandboxes() {
        println!("skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    // Looking for what a command left behind means looking at the whole machine: one at a time.
    arguments.test_threads = Some(1);
    let trials = [
        run::trials(),
        serve::trials(),
        copy::trials(),
        snapshots::trials(),
        examples::trials(),
        ssh::trials(),
        interactive::trials(),
        forwarding::trials(),
        resume::trials(),
        images::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

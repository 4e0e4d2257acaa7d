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
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use crate::house::House;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let house = match House::start() {
        Ok(house) => Arc::new(house),
        Err(error) => {
            println!("skipped: this host cannot make sandboxes: {error}");
            return ExitCode::SUCCESS;
        }
    };
    let conclusion = libtest_mimic::run(&arguments, trials(Some(&house)));
    Arc::into_inner(house).expect("every trial has ended").stop();
    conclusion.exit_code()
}

/// All trials; without a house they can only be listed.
fn trials(house: Option<&Arc<House>>) -> Vec<Trial> {
    let mut trials = probes::trials(house);
    trials.extend(limits::trials(house));
    trials.extend(ordinary_user::trial());
    trials
}

//! The SDK and the server together, when the network between them fails and when there is much to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod house;
mod lossy_proxy;
mod lost_answers;
mod parallel;

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
    let mut trials = lost_answers::trials(house);
    trials.push(parallel::trial(house));
    trials
}

/// A trial that is given the house.
fn trial<F>(house: Option<&Arc<House>>, name: &str, run: fn(Arc<House>) -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    let house = house.cloned();
    Trial::test(name, move || {
        let house = house.expect("trials run in a house");
        house.clone().block_on(run(house));
        Ok(())
    })
}

//! Bytes that somebody hostile sends: the seeds of the fuzzers in `fuzz/`, and many that are almost like them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is part of tests"
)]

mod mutation;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use contract_tests::hostile::{TARGETS, Target, can_make_sandboxes, stop};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::mutation::Mutations;

const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds");

/// How many inputs are made from the seeds of a target, the same ones in every run; fewer where each costs processes.
const MUTATIONS: usize = 1000;
const MUTATIONS_IN_SANDBOXES: usize = 150;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let arguments = Arguments::from_args();
    let hosted = can_make_sandboxes();
    if let Err(error) = &hosted {
        println!("skipped: this host cannot make sandboxes: {error}");
    }
    let mut trials = vec![Trial::test("what_panics_is_found", what_panics_is_found)];
    let targets = TARGETS
        .into_iter()
        .filter(|target| hosted.is_ok() || !target.needs_sandboxes);
    trials.extend(targets.map(|target| Trial::test(target.name, move || holds(target))));
    let conclusion = libtest_mimic::run(&arguments, trials);
    stop();
    conclusion.exit_code()
}

fn holds(target: Target) -> Result<(), Failed> {
    let seeds = seeds(target.name);
    holds_for(target, &seeds)
}

fn holds_for(target: Target, seeds: &[Vec<u8>]) -> Result<(), Failed> {
    let mutations = Mutations::of(seeds);
    let count = if target.needs_sandboxes {
        MUTATIONS_IN_SANDBOXES
    } else {
        MUTATIONS
    };
    for input in seeds.iter().cloned().chain(mutations.take(count)) {
        std::panic::catch_unwind(|| (target.run)(&input)).map_err(|panic| {
            let why = panic
                .downcast_ref::<String>()
                .map_or("it panicked", String::as_str);
            Failed::from(format!("{why}\nafter {}", input.escape_ascii()))
        })?;
    }
    Ok(())
}

/// A parser that believes a length is caught, though no seed shows it.
fn what_panics_is_found() -> Result<(), Failed> {
    fn credulous(bytes: &[u8]) {
        if let [length, text @ ..] = bytes {
            let _ = &text[..usize::from(*length)];
        }
    }
    let target = Target {
        name: "credulous",
        run: credulous,
        needs_sandboxes: false,
    };
    let seeds = [b"\x05hello".to_vec(), b"\x00".to_vec()];
    seeds.iter().for_each(|seed| credulous(seed));
    let found = holds_for(target, &seeds).expect_err("a panic");
    let said = found.message().unwrap_or_default();
    assert!(said.contains("out of range"), "{said}");
    Ok(())
}

/// In the order of their names, so that what is made from them is the same everywhere.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(Path::new(SEEDS).join(name)).expect("a folder of seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no seeds");
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

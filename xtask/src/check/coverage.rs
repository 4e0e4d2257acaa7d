//! Which responses of the document the tests have seen.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use sandbox_api_contract::{
    Contract,
    coverage::{self, Coverage, Reviewed},
};

use super::{Outcome, steps::is_root, succeed};
use crate::{
    cargo::{Metadata, cargo},
    workspace,
};

/// The responses that are known not to be seen, seen from the root.
const REVIEWED: &str = "tests/uncovered.txt";

/// Where the test programs note what they see.
fn directory() -> anyhow::Result<PathBuf> {
    Ok(Metadata::of_the_workspace()?
        .target_directory()?
        .join("coverage-of-responses"))
}

/// Runs all tests, and has them note what they see.
pub(super) fn run_tests() -> anyhow::Result<Outcome> {
    let directory = directory()?;
    coverage::forget(&directory).context("nothing can be noted")?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--locked"]);
    succeed(test.env(coverage::VARIABLE, directory))?;
    Ok(Outcome::Passed)
}

/// Prints what they have seen, and compares what they have not with what somebody has looked at.
pub(super) fn check() -> anyhow::Result<Outcome> {
    let contract = Contract::sandbox_api()?;
    let coverage = Coverage::read(contract, &directory()?)
        .context("no tests have noted what they see; `cargo xtask check --only tests` has them do it")?;
    println!("{coverage}");
    if !is_root()? {
        return Ok(Outcome::Skipped(format!(
            "{REVIEWED} is for root, whose sessions can be paused"
        )));
    }
    let reviewed = fs::read_to_string(workspace::root().join(REVIEWED)).context(REVIEWED)?;
    let reviewed = Reviewed::parse(&reviewed).context(REVIEWED)?;
    let differences = reviewed.differences(&coverage);
    if !differences.is_empty() {
        bail!("{REVIEWED} is not true any more:\n{}", differences.join("\n"));
    }
    Ok(Outcome::Passed)
}

//! Features, one by one and together.

use std::collections::BTreeSet;

use super::{Outcome, succeed};
use crate::cargo::{Metadata, cargo};

/// The library whose features its users choose.
const SDK: &str = "sandbox-sessions";

/// Checks the library by itself, as its users build it: within the workspace, what it forgot to ask of a dependency
/// may be there because another package asked for it.
pub(super) fn each_alone() -> anyhow::Result<Outcome> {
    let metadata = Metadata::of_the_workspace()?;
    let features = metadata.package(SDK)?.features();
    let features = features.into_iter().filter(|feature| *feature != "default");
    let mut choices = vec![vec!["--no-default-features".to_owned()]];
    choices.extend(features.map(|feature| {
        vec![
            "--no-default-features".to_owned(),
            format!("--features={feature}"),
        ]
    }));
    choices.push(vec!["--all-features".to_owned()]);
    for choice in choices {
        println!("-- {SDK} {}", choice.join(" "));
        let mut clippy = cargo();
        clippy
            .args(["clippy", "--locked", "--package", SDK])
            .args(choice)
            .args(["--", "--deny=warnings"]);
        succeed(&mut clippy)?;
    }
    Ok(Outcome::Passed)
}

/// Runs the test programs and the documentation's examples of packages with features. The whole workspace is chosen,
/// so that nothing but these packages and what stands on them is built again.
pub(super) fn tests() -> anyhow::Result<Outcome> {
    let metadata = Metadata::of_the_workspace()?;
    let packages = metadata
        .packages()
        .filter(|package| !package.features().is_empty());
    let tests: BTreeSet<_> = packages.flat_map(|package| package.tests()).collect();
    let all = ["test", "--workspace", "--all-features", "--locked"];
    succeed(
        cargo()
            .args(all)
            .args(tests.into_iter().map(|test| format!("--test={test}"))),
    )?;
    succeed(cargo().args(all).arg("--doc"))?;
    Ok(Outcome::Passed)
}

//! The oldest version of Rust that this workspace is for.

use std::process::Command;

use anyhow::{Context, bail};

use super::{Outcome, Settings, provided, succeed, succeeds};
use crate::{
    cargo::{Metadata, Package},
    workspace,
};

/// The workspace's packages all have the same.
const ANY_PACKAGE: &str = "sandbox-sessions";

fn oldest(metadata: &Metadata) -> anyhow::Result<&str> {
    metadata
        .package(ANY_PACKAGE)?
        .rust_version()
        .context("the workspace has no rust-version")
}

/// Compares what dependencies say of themselves. Clippy's `incompatible_msrv` does the same for the standard library.
pub(super) fn of_dependencies() -> anyhow::Result<Outcome> {
    let metadata = Metadata::with_dependencies()?;
    let oldest = oldest(&metadata)?;
    let needs_newer = |package: &Package<'_>| {
        package
            .rust_version()
            .is_some_and(|needed| numbers(needed) > numbers(oldest))
    };
    let newer: Vec<_> = metadata
        .packages()
        .filter(needs_newer)
        .map(|package| {
            format!(
                "{} {} needs {}",
                package.name(),
                package.version(),
                package.rust_version().unwrap_or_default()
            )
        })
        .collect();
    if !newer.is_empty() {
        bail!("this workspace is for Rust {oldest}, but\n{}", newer.join("\n"));
    }
    println!("no dependency says that it needs more than Rust {oldest}");
    Ok(Outcome::Passed)
}

fn numbers(version: &str) -> [u64; 3] {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// Has that version compile everything.
pub(super) fn with_the_oldest(settings: &Settings) -> anyhow::Result<Outcome> {
    let metadata = Metadata::of_the_workspace()?;
    let oldest = oldest(&metadata)?;
    let install = [
        "toolchain",
        "install",
        oldest,
        "--profile=minimal",
        "--no-self-update",
    ];
    let exists = || succeeds(&mut with(oldest, &["rustc", "--version"]));
    if !provided(settings, exists, Command::new("rustup").args(install)) {
        return Ok(Outcome::Skipped(format!(
            "there is no toolchain {oldest}; `rustup {}` brings it",
            install.join(" ")
        )));
    }
    succeed(&mut with(
        oldest,
        &["cargo", "check", "--workspace", "--all-features", "--locked"],
    ))?;
    Ok(Outcome::Passed)
}

/// A command of a toolchain. What cargo has set for the one that runs this program would confuse the other.
fn with(toolchain: &str, command: &[&str]) -> Command {
    let mut rustup = Command::new("rustup");
    rustup
        .arg("run")
        .arg(toolchain)
        .args(command)
        .current_dir(workspace::root());
    for variable in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        rustup.env_remove(variable);
    }
    rustup
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("1.100") > numbers("1.90"));
        assert!(numbers("1.90.1") > numbers("1.90"));
        assert_eq!(numbers("1.90.0"), numbers("1.90"));
    }
}

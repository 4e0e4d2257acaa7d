//! `cargo xtask lint-spec`: the OpenAPI document's form, judged by the two usual linters.
//!
//! They come from npm, in pinned versions. A machine without npm skips them, saying so; CI has to have it.

use std::{
    io,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{ci, workspace};

struct Linter {
    package: &'static str,
    command: &'static [&'static str],
}

/// Their rules are in `.spectral.yaml` and `redocly.yaml`.
const LINTERS: [Linter; 2] = [
    Linter {
        package: "@stoplight/spectral-cli@6.16.3",
        command: &[
            "spectral",
            "lint",
            "--fail-severity=hint",
            "--ruleset=.spectral.yaml",
            workspace::DOCUMENT,
        ],
    },
    Linter {
        package: "@redocly/cli@2.77.0",
        command: &["redocly", "lint", "--config=redocly.yaml", workspace::DOCUMENT],
    },
];

pub(crate) fn run() -> anyhow::Result<()> {
    if !npm_exists()? {
        if ci::is_here() {
            bail!("npm is needed to lint {} in CI", workspace::DOCUMENT);
        }
        println!(
            "skipped: there is no npm to run the linters of {}",
            workspace::DOCUMENT
        );
        return Ok(());
    }
    LINTERS.iter().try_for_each(lint)
}

fn npm_exists() -> anyhow::Result<bool> {
    match Command::new("npm")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
    {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("cannot run npm"),
    }
}

fn lint(linter: &Linter) -> anyhow::Result<()> {
    let status = Command::new("npm")
        .args(["exec", "--yes", "--package", linter.package, "--"])
        .args(linter.command)
        .env("REDOCLY_TELEMETRY", "off")
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
        .current_dir(workspace::root())
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", linter.package))?;
    if !status.success() {
        bail!("{} is not content with {}", linter.package, workspace::DOCUMENT);
    }
    Ok(())
}

//! Asking cargo.

use std::{env, ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::workspace;

/// The cargo that runs this program, at the root.
pub(crate) fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    command
}

pub(crate) struct Metadata(Value);

/// A package, of this workspace or of those it is built from.
pub(crate) struct Package<'a>(&'a Value);

impl Metadata {
    pub(crate) fn of_the_workspace() -> anyhow::Result<Self> {
        Self::read(&["--no-deps"])
    }

    pub(crate) fn with_dependencies() -> anyhow::Result<Self> {
        Self::read(&[])
    }

    fn read(options: &[&str]) -> anyhow::Result<Self> {
        let output = cargo()
            .args(["metadata", "--format-version=1", "--locked"])
            .args(options)
            .output()
            .context("cannot run cargo")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "cargo does not describe the workspace:\n{said}"
        );
        Ok(Self(
            serde_json::from_slice(&output.stdout).context("cargo's metadata is no JSON")?,
        ))
    }

    pub(crate) fn target_directory(&self) -> anyhow::Result<PathBuf> {
        let directory = self.0.get("target_directory").and_then(Value::as_str);
        Ok(directory.context("cargo names no target directory")?.into())
    }

    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        let packages = self.0.get("packages").and_then(Value::as_array);
        packages.into_iter().flatten().map(Package)
    }

    pub(crate) fn package(&self, name: &str) -> anyhow::Result<Package<'_>> {
        let found = self.packages().find(|package| package.name() == name);
        found.with_context(|| format!("there is no package {name}"))
    }
}

impl<'a> Package<'a> {
    fn text(&self, key: &str) -> &'a str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &'a str {
        self.text("name")
    }

    pub(crate) fn version(&self) -> &'a str {
        self.text("version")
    }

    /// The lowest version of Rust it is made for, if it says so.
    pub(crate) fn rust_version(&self) -> Option<&'a str> {
        self.0.get("rust_version").and_then(Value::as_str)
    }

    pub(crate) fn features(&self) -> Vec<&'a str> {
        let features = self.0.get("features").and_then(Value::as_object);
        features
            .into_iter()
            .flat_map(|features| features.keys())
            .map(String::as_str)
            .collect()
    }

    /// The names of its test programs.
    pub(crate) fn tests(&self) -> Vec<&'a str> {
        let targets = self.0.get("targets").and_then(Value::as_array);
        let is_test = |target: &&Value| target.pointer("/kind/0").is_some_and(|kind| kind == "test");
        let tests = targets.into_iter().flatten().filter(is_test);
        tests.filter_map(|target| target.get("name")?.as_str()).collect()
    }
}

//! The fuzzers of `fuzz/`, each for a short while, with the stable compiler.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::{Outcome, succeed, succeeds};
use crate::{
    cargo::{Metadata, cargo},
    ci, workspace,
};

/// For how long each of them runs.
const SECONDS: u32 = 10;

/// What has the compiler count where a program comes along, which is how a fuzzer learns. Sanitizers are for nightly.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table";

/// The one with a fault, which has to be found.
const FAULTY: &str = "credulous";

pub(super) fn run() -> anyhow::Result<Outcome> {
    if !succeeds(Command::new("c++").arg("--version")) {
        let reason = "there is no C++ compiler to build libFuzzer with";
        ensure!(!ci::is_here(), reason);
        return Ok(Outcome::Skipped(reason.to_owned()));
    }
    let programs = build()?;
    let seeds = workspace::root().join("fuzz/seeds");
    let mut names: Vec<_> = fs::read_dir(&seeds)?.collect::<Result<_, _>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for name in names {
        let scratch = tempfile::tempdir()?;
        println!("-- {}", name.file_name().display());
        let mut fuzzer = fuzzer(&programs.join(name.file_name()), scratch.path());
        let output = fuzzer.arg(name.path()).output().context("cannot run a fuzzer")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{} fails:\n{said}",
            name.file_name().display()
        );
        println!("{}", said.lines().last().unwrap_or_default());
    }
    let scratch = tempfile::tempdir()?;
    let output = fuzzer(&programs.join(FAULTY), scratch.path()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains("out of range"),
        "a fuzzer does not find the fault of {FAULTY}:\n{said}"
    );
    println!("the fault of {FAULTY} is found");
    Ok(Outcome::Passed)
}

/// Builds them with what the workspace is built with, and gives the folder they are in.
fn build() -> anyhow::Result<PathBuf> {
    let root = workspace::root();
    fs::copy(root.join("Cargo.lock"), root.join("fuzz/Cargo.lock")).context("cannot copy Cargo.lock")?;
    let folder = Metadata::of_the_workspace()?.target_directory()?.join("fuzz");
    let target = host()?;
    let mut build = cargo();
    build
        .args([
            "build",
            "--quiet",
            "--manifest-path=fuzz/Cargo.toml",
            "--bins",
            "--target",
        ])
        .arg(&target)
        .arg("--target-dir")
        .arg(&folder);
    // Flags that are given with a target are for its programs only, and not for what runs while they are built.
    succeed(build.env("RUSTFLAGS", COVERAGE))?;
    Ok(folder.join(target).join("debug"))
}

fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    let said = String::from_utf8(output.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// Starts from the same number, keeps what it finds in a folder of its own, and gives up what takes too long or too much.
fn fuzzer(program: &Path, scratch: &Path) -> Command {
    let corpus = scratch.join("corpus");
    // Where it cannot be made, the fuzzer says so.
    let _ = fs::create_dir(&corpus);
    let mut fuzzer = Command::new(program);
    fuzzer
        .args(["-seed=1", "-max_len=16384", "-timeout=120", "-rss_limit_mb=2048"])
        .arg(format!("-max_total_time={SECONDS}"))
        .arg(format!("-artifact_prefix={}/", scratch.display()))
        .arg(corpus)
        .env("TMPDIR", scratch)
        .current_dir(workspace::root())
        .stdin(Stdio::null());
    fuzzer
}

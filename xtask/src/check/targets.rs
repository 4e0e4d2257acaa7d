//! Other systems than the one this runs on.

use std::{path::PathBuf, process::Command};

use anyhow::Context;

use super::{Outcome, Settings, provided, succeed};
use crate::{cargo::cargo, stand_in};

/// One for each system on which the client's libraries are to work, besides Linux.
const TARGETS: [&str; 2] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];
const PACKAGES: [&str; 2] = ["sandbox-sessions", "sandbox-tunnel"];

/// Checks them, which needs the targets' standard libraries, but neither linkers nor C compilers for them. C code in
/// dependencies is not compiled.
pub(super) fn check(settings: &Settings) -> anyhow::Result<Outcome> {
    let mut missing = Vec::new();
    for target in TARGETS {
        let exists = || has_standard_library(target);
        if !provided(
            settings,
            exists,
            Command::new("rustup").args(["target", "add", target]),
        ) {
            missing.push(target);
            continue;
        }
        println!("-- {target}");
        let mut check = cargo();
        check.args(["check", "--all-features", "--locked", "--target", target]);
        check.args(PACKAGES.map(|package| format!("--package={package}")));
        // An assembler for Windows is one more thing a machine may lack.
        stand_in::for_c_compiler(check.env("AWS_LC_SYS_PREBUILT_NASM", "1"), target)?;
        succeed(&mut check)?;
    }
    Ok(if missing.is_empty() {
        Outcome::Passed
    } else {
        let missing = missing.join(" ");
        Outcome::Skipped(format!(
            "there is no standard library for {missing}; `rustup target add {missing}` brings it"
        ))
    })
}

fn has_standard_library(target: &str) -> bool {
    let folder = || -> anyhow::Result<PathBuf> {
        let mut rustc = Command::new("rustc");
        let output = rustc
            .args(["--print=target-libdir", "--target", target])
            .output()
            .context("cannot run rustc")?;
        Ok(String::from_utf8(output.stdout)?.trim().into())
    };
    folder().is_ok_and(|folder| folder.is_dir())
}

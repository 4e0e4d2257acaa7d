//! `cargo xtask check` as people see it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::process::{Command, Output};

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("check").args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn steps_are_listed_and_chosen_by_name() {
    let output = check(&["--list", "--only", "tests", "--only", "format"]);
    let listed = printed(&output);
    let names: Vec<_> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    // In the order in which they are done.
    assert_eq!(names, ["format", "tests"], "{output:?}");
}

#[test]
fn a_step_is_named_and_timed() {
    let output = check(&["--only", "codegen"]);
    assert!(output.status.success(), "{output:?}");
    let printed = printed(&output);
    assert!(
        printed.contains("== codegen: the generated code is what the document gives"),
        "{printed}"
    );
    let summary = printed.lines().find(|line| line.starts_with("codegen ")).unwrap();
    assert!(summary.contains("passed") && summary.ends_with(" s"), "{summary}");
}

#[test]
fn clients_that_are_missing_are_named_and_fail_in_ci_only() {
    let without = |ci: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        // Where there is nothing, not even what could install something.
        let command = command.env("PATH", "/nowhere").env("CI", ci);
        command.args(["check", "--only", "clients"]).output().unwrap()
    };
    let missing = "there is no OpenSSH client, no rsync";
    let output = without("");
    assert!(output.status.success(), "{output:?}");
    assert!(
        printed(&output).contains(&format!("skipped: {missing}")),
        "{output:?}"
    );
    let output = without("true");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains(missing),
        "{output:?}"
    );
}

#[test]
fn an_unknown_step_is_refused() {
    let output = check(&["--only", "everything"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: there is no step everything; --list names them\n"
    );
}

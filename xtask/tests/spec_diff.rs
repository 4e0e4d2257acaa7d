//! `cargo xtask spec-diff` as scripts see it: what it prints, and how it ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::{
    fs,
    process::{Command, Output},
};

const OLD: &str = "
openapi: 3.0.3
info: { title: Shop, version: 1.0.0 }
paths:
  /orders: { get: { operationId: listOrders, responses: { '200': { description: Orders. } } } }
";

/// Compares the document above with one in which a text is replaced.
fn spec_diff(from: &str, to: &str, options: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["old.yaml", "new.yaml"].map(|name| folder.path().join(name));
    fs::write(&paths[0], OLD).unwrap();
    fs::write(&paths[1], OLD.replace(from, to)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("spec-diff")
        .args(options)
        .args(paths)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn a_breaking_change_is_an_exit_code_of_its_own() {
    let output = spec_diff("get:", "put:", &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(
        printed(&output),
        "BREAKS clients and servers  GET /orders: it is PUT /orders now (the one asks where the other does not \
         answer)\n1.0.0 to 1.0.0: changes: 1, breaking: 1\n"
    );
}

#[test]
fn breaking_changes_can_be_allowed() {
    assert_eq!(
        spec_diff("get:", "put:", &["--allow-breaking"]).status.code(),
        Some(0)
    );
    let output = spec_diff("1.0.0", "2.0.0", &[]);
    assert_eq!(
        (output.status.code(), printed(&output)),
        (Some(0), "1.0.0 to 2.0.0: changes: 0, breaking: 0\n")
    );
}

#[test]
fn programs_read_json() {
    let output = spec_diff("listOrders", "orders", &["--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report,
        serde_json::json!({
            "old": "1.0.0",
            "new": "1.0.0",
            "breaking": 1,
            "forbidden": true,
            "changes": [{
                "at": "GET /orders",
                "kind": "operation-id",
                "what": "operationId was listOrders and is orders",
                "breaks": ["clients"],
                "why": "generated ones call it by this name",
            }],
        })
    );
}

#[test]
fn what_cannot_be_read_is_a_failure() {
    let output = spec_diff("3.0.3", "2.0", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("not an OpenAPI 3.0 document"),
        "{output:?}"
    );
}

//! Python's paramiko, through a CONNECT that is made by hand.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::{House, Test, Transport, with_input};
use crate::support::{installed, key_pair, python_with, stderr, stdout};

pub(super) const TESTS: [Test; 2] = [
    ("paramiko_needs_no_key", without_key),
    ("paramiko_needs_the_key_of_a_session", with_key),
];

/// Within the test program, whose users may not be able to read where it was built from.
const SCRIPT: &str = include_str!("paramiko_client.py");

/// Nine targets with each of three headers.
const FORMS: usize = 9 * 3;

fn without_key(transport: Transport) {
    let Some(python) = python_with("paramiko") else {
        return;
    };
    let house = House::open(transport, &[]);
    assert_all_forms_work(&house, &python, json!(null), json!(null));
}

fn with_key(transport: Transport) {
    let Some(python) = python_with("paramiko").filter(|_| installed("ssh-keygen")) else {
        return;
    };
    let keys = tempfile::tempdir().unwrap();
    let wrong = key_pair(keys.path(), "ed25519", "wrong");
    for kind in ["ed25519", "ecdsa"] {
        let key = key_pair(keys.path(), kind, kind);
        let house = House::open(transport, &["--ssh-public-key", &format!("{key}.pub")]);
        assert_all_forms_work(&house, &python, json!(key), json!(wrong));
    }
}

fn assert_all_forms_work(house: &House, python: &str, key: Value, wrong_key: Value) {
    let session = house.output(&["get", &house.id, "--json"]);
    let session: Value = serde_json::from_slice(&session.stdout).unwrap();
    let settings = json!({
        "url": house.serve.url,
        "token": house.serve.token,
        "certificate": house.serve.certificate,
        "session": house.id,
        "host_key": session["sshHostKey"],
        "key": key,
        "wrong_key": wrong_key,
    });
    let script = house.path("paramiko_client.py");
    fs::write(&script, SCRIPT).unwrap();
    let client = house.place.program(python.as_ref(), &[script.to_str().unwrap()]);
    let output = with_input(client, settings.to_string().as_bytes());
    let said = stdout(&output);
    assert!(output.status.success(), "{said}{}", stderr(&output));
    let forms: BTreeSet<&str> = said.lines().collect();
    assert_eq!(forms.len(), FORMS, "{said}");
}

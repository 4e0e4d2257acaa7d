//! OpenSSH's `ssh` with what `sandbox ssh-config` prints.

use std::fs;

use super::{House, Test, Transport, assert_bytes, noise, with_input};
use crate::support::{assert_output, installed, key_pair, stderr};
use crate::terminal::Terminal;

pub(super) const TESTS: [Test; 4] = [
    ("openssh_runs_commands", commands),
    ("openssh_has_a_terminal", terminal),
    ("openssh_refuses_another_host_key", another_host_key),
    ("openssh_needs_the_key_of_a_session", session_key),
];

fn commands(transport: Transport) {
    let house = House::open(transport, &[]);
    let Some(mut ssh) = house.openssh("ssh", &[&house.host(), "echo out; echo err >&2; exit 3"]) else {
        return;
    };
    let output = ssh.output().unwrap();
    assert_output(&output, 3, "out\n");
    assert!(stderr(&output).contains("err"), "{}", stderr(&output));
    // By the whole id, too, in a configuration of all sessions.
    house.config(&[]);
    let sent = noise(32 << 20);
    let cat = house.openssh("ssh", &[&house.id, "cat"]).unwrap();
    assert_bytes(&with_input(cat, &sent), &sent);
}

fn terminal(transport: Transport) {
    let house = House::open(transport, &[]);
    let Some(ssh) = house.openssh("ssh", &[&house.host()]) else {
        return;
    };
    let mut terminal = Terminal::start(ssh);
    terminal.type_in("echo is''terminal; stty size; exit 5\r");
    terminal.await_output("isterminal");
    terminal.await_output("12 100");
    let (status, _, err) = terminal.end();
    assert_eq!(status.code(), Some(5), "{err}");
}

fn another_host_key(transport: Transport) {
    let (house, other) = (House::open(transport, &[]), House::open(transport, &[]));
    let Some(mut ssh) = house.openssh("ssh", &[&house.host(), "true"]) else {
        return;
    };
    let key_of = |house: &House| {
        let text = fs::read_to_string(house.config(&[&house.id])).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains("KnownHostsCommand"))
            .unwrap();
        line.rsplit_once(' ').unwrap().1.to_owned()
    };
    let (right, wrong) = (key_of(&house), key_of(&other));
    let config = house.path("ssh_config");
    let text = fs::read_to_string(&config).unwrap().replace(&right, &wrong);
    fs::write(&config, text).unwrap();
    let output = ssh.output().unwrap();
    assert_output(&output, 255, "");
    assert!(
        stderr(&output).contains("HOST IDENTIFICATION HAS CHANGED"),
        "{}",
        stderr(&output)
    );
}

fn session_key(transport: Transport) {
    if !installed("ssh-keygen") || !installed("ssh") {
        return;
    }
    let keys = tempfile::tempdir().unwrap();
    let (right, wrong) = (
        key_pair(keys.path(), "ed25519", "right"),
        key_pair(keys.path(), "ed25519", "wrong"),
    );
    let house = House::open(transport, &["--ssh-public-key", &format!("{right}.pub")]);
    let id = house.id.as_str();
    assert_output(&house.output(&["ssh", id, "-i", &right, "echo in"]), 0, "in\n");
    assert_output(&house.output(&["ssh", id, "-i", &wrong, "true"]), 77, "");
    assert_output(&house.output(&["ssh", id, "true"]), 77, "");
    for (key, code, printed) in [(&right, 0, "in\n"), (&wrong, 255, "")] {
        house.config(&[id, "-i", key]);
        let mut ssh = house.openssh("ssh", &[&house.host(), "echo in"]).unwrap();
        assert_output(&ssh.output().unwrap(), code, printed);
    }
}

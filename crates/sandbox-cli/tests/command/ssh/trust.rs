//! Whose certificate is trusted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use libtest_mimic::Trial;

use super::House;
use crate::support::{Serve, assert_output, stderr};

pub(super) fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 3] = [
        ("a_certificate_is_trusted_by_whom_it_was_shown_to", shown),
        ("a_made_certificate_is_trusted_by_nobody_else", strangers),
        ("the_users_own_server_is_trusted", own_server),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(format!("ssh::{name}"), move || {
            test();
            Ok(())
        })
    };
    tests.into_iter().map(trial).collect()
}

fn own_certificate() -> House {
    House::with(Serve::start_with_its_own_certificate, &[])
}

/// A request and a tunnel, with a command that is prepared by `tell`.
fn assert_trusted(house: &House, options: &[&str], tell: impl Fn(Command) -> Command) {
    for subcommand in ["exec", "ssh"] {
        let words = [&[subcommand], options, &[&house.id, "echo in"]].concat();
        assert_output(&tell(house.place.command(&words)).output().unwrap(), 0, "in\n");
    }
}

fn reached_by_a_stranger(house: &House, command: Command) -> Command {
    let mut command = house.serve.reached_by(command);
    command.env_remove("SSL_CERT_FILE");
    command
}

/// By the variable that many programs know, by an argument, and by the configuration file.
fn shown() {
    let house = own_certificate();
    assert_trusted(&house, &[], |command| house.serve.reached_by(command));
    let certificate = house.serve.certificate.as_ref().unwrap().to_str().unwrap();
    assert_trusted(&house, &["--ca-file", certificate], |command| {
        reached_by_a_stranger(&house, command)
    });
    let config = house.path("config.toml");
    let text = format!(
        "api-url = '{}'\ntoken = '{}'\nca-file = 'state/certificate.pem'\n",
        house.serve.url, house.serve.token
    );
    fs::write(&config, text).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    assert_trusted(&house, &["--config", config.to_str().unwrap()], |command| command);
}

/// Neither for requests nor for tunnels.
fn strangers() {
    let (house, other) = (own_certificate(), own_certificate());
    let id = house.id.as_str();
    let wrong = other.serve.certificate.as_ref().unwrap().to_str().unwrap();
    for words in [
        &["ls"][..],
        &["ssh", id, "true"],
        &["proxy", id],
        &["ls", "--ca-file", wrong],
        &["ssh", "--ca-file", wrong, id, "true"],
        &["proxy", "--ca-file", wrong, id],
    ] {
        let mut stranger = reached_by_a_stranger(&house, house.place.command(words));
        assert_output(&stranger.output().unwrap(), 69, "");
    }
    let plain = house.serve.url.replace("https", "http");
    assert_output(&house.output(&["ls", "--api-url", &plain]), 69, "");
    // A file that is no use is not passed over.
    let empty = house.path("empty.pem");
    fs::write(&empty, "no certificate\n").unwrap();
    for (file, code) in [("/nowhere", 78), (empty.to_str().unwrap(), 65)] {
        let refused = house.output(&["ls", "--ca-file", file]);
        assert_output(&refused, code, "");
        assert!(stderr(&refused).contains("certificate"), "{}", stderr(&refused));
    }
}

/// It tells where its certificate is, to its own user.
fn own_server() {
    let house = own_certificate();
    assert_trusted(&house, &[], |command| command);
}

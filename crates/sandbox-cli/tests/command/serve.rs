//! `sandbox serve`, and the commands that talk to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use contract_tests::traces::Traces;
use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::leftovers::return_to;
use crate::support::{Place, Serve, assert_output, eventually, send, stderr, stdout, trials, wait};

pub(crate) fn trials() -> Vec<Trial> {
    trials!("serve":
        manages_sessions,
        the_first_server_is_the_one_that_is_found,
        a_command_ends_with_the_exec_that_runs_it,
        runs_code_on_a_named_server,
        sessions_outlive_a_killed_server,
        sessions_outlive_a_stopped_server,
        refuses_a_second_server_on_one_directory,
        accepts_tokens_from_a_file_and_no_others,
        exit_codes_tell_failures_apart,
        asks_for_as_many_open_files_as_it_may_have,
    )
}

fn create(serve: &Serve, place: &Place) -> String {
    let output = serve.output(place, &["create", "--ttl", "600", "--metadata", "user=alice"]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

fn manages_sessions() {
    let (place, before) = (Place::new(), Traces::now());
    let serve = Serve::start(&place, &[]);
    let (first, second) = (create(&serve, &place), create(&serve, &place));
    let listing = stdout(&serve.output(&place, &["ls"]));
    assert!(
        listing.starts_with("ID ") && listing.contains(&first) && listing.contains(&second),
        "{listing}"
    );
    let page = serve.output(&place, &["ls", "--json", "--limit", "1"]);
    let page: serde_json::Value = serde_json::from_slice(&page.stdout).unwrap();
    assert_eq!(
        (&page["total"], page["sessions"].as_array().unwrap().len()),
        (&2.into(), 1),
        "{page}"
    );
    let session = stdout(&serve.output(&place, &["get", &first]));
    assert!(
        session.contains("running") && session.contains(r#"{"user":"alice"}"#),
        "{session}"
    );
    assert_output(&serve.output(&place, &["rm", &first, &second]), 0, "");
    let gone = serve.output(&place, &["get", &first]);
    assert_output(&gone, 66, "");
    assert!(stderr(&gone).contains(&first), "{}", stderr(&gone));
    serve.stop();
    return_to(&before);
}

fn the_first_server_is_the_one_that_is_found() {
    let place = Place::new();
    let serve = Serve::start(&place, &[]);
    let id = create(&serve, &place);
    let written = place.directory.path().join("sandbox/server.json");
    let before = std::fs::read(&written).unwrap();
    let other = place.directory.path().join("other");
    let mut second = place
        .command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--state-dir",
            other.to_str().unwrap(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once it has told where it is, it has tried.
    let mut line = String::new();
    BufReader::new(second.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    send(&second, Signal::TERM);
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        stderr(&output).contains("another server of yours"),
        "{}",
        stderr(&output)
    );
    assert_eq!(std::fs::read(&written).unwrap(), before);
    assert_output(&place.output(&["rm", &id]), 0, "");
    serve.stop();
    assert!(!written.exists());
}

fn a_command_ends_with_the_exec_that_runs_it() {
    let place = Place::new();
    let serve = Serve::start(&place, &[]);
    let id = create(&serve, &place);
    let sleeping = || stdout(&place.output(&["exec", &id, "cat /proc/[0-9]*/comm | grep -cx sleep"]));
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut child = place
            .command(&["exec", &id, "--", "setsid sleep 600 & sleep 600"])
            .spawn()
            .unwrap();
        eventually("the command runs", || sleeping() == "2\n");
        send(&child, signal);
        assert!(!wait(&mut child).success());
        eventually("the command ended", || sleeping() == "0\n");
    }
}

fn runs_code_on_a_named_server() {
    let place = Place::new();
    let serve = Serve::start(&place, &["--image-alias", "python:3.11=host"]);
    assert_output(
        &serve.output(&place, &["run", "--image", "python:3.11", "-c", "print(6 * 7)"]),
        0,
        "42\n",
    );
    let page = serve.output(&place, &["ls", "--json"]);
    assert!(stdout(&page).contains(r#""total":0"#), "{}", stdout(&page));
}

fn sessions_outlive_a_killed_server() {
    let (place, before) = (Place::new(), Traces::now());
    let serve = Serve::start(&place, &[]);
    let id = create(&serve, &place);
    serve.kill();
    let serve = Serve::start(&place, &[]);
    let page = stdout(&serve.output(&place, &["ls"]));
    assert!(page.contains(&id), "{page}");
    assert_output(&serve.output(&place, &["rm", &id]), 0, "");
    return_to(&before);
    let left: Vec<_> = place
        .files()
        .into_iter()
        .filter(|path| path.contains(&id))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

fn sessions_outlive_a_stopped_server() {
    let place = Place::new();
    let serve = Serve::start(&place, &[]);
    let id = create(&serve, &place);
    serve.stop();
    let serve = Serve::start(&place, &[]);
    let session = stdout(&serve.output(&place, &["get", &id]));
    assert!(session.contains("running"), "{session}");
    assert_output(&serve.output(&place, &["rm", &id]), 0, "");
}

fn refuses_a_second_server_on_one_directory() {
    let place = Place::new();
    let _serve = Serve::start(&place, &[]);
    let state = place.directory.path().join("state");
    let second = place.output(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--state-dir",
        state.to_str().unwrap(),
    ]);
    assert_output(&second, 125, "");
    assert!(
        stderr(&second).contains(state.to_str().unwrap()),
        "{}",
        stderr(&second)
    );
}

fn accepts_tokens_from_a_file_and_no_others() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let file = place.directory.path().join("tokens");
    std::fs::write(
        &file,
        "# people\nalice:alices-long-enough-token\nbob:bobs-long-enough-token-too\n",
    )
    .unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let serve = Serve::start_with_tokens(&place, &file);
    let as_user = |token: &str, arguments: &[&str]| {
        let mut command = serve.reached_by(place.command(arguments));
        command.env("SANDBOX_API_TOKEN", token).output().unwrap()
    };
    let created = as_user("alices-long-enough-token", &["create"]);
    let id = stdout(&created).trim().to_owned();
    assert!(created.status.success() && !id.is_empty(), "{}", stderr(&created));
    assert_output(&as_user("bobs-long-enough-token-too", &["get", &id]), 66, "");
    assert_output(&as_user("bobs-long-enough-token-too", &["rm", &id]), 66, "");
    assert_output(&as_user("nobodys-long-enough-token", &["get", &id]), 77, "");
    assert_output(&as_user("alices-long-enough-token", &["rm", &id]), 0, "");
}

fn exit_codes_tell_failures_apart() {
    let place = Place::new();
    let serve = Serve::start(&place, &[]);
    let somebody = "550e8400-e29b-41d4-a716-446655440000";
    assert_output(&serve.output(&place, &["get", somebody]), 66, "");
    assert_output(&serve.output(&place, &["ls", "--limit", "101"]), 65, "");
    let mut stranger = serve.reached_by(place.command(&["ls"]));
    assert_output(
        &stranger
            .env("SANDBOX_API_TOKEN", "not-the-token-at-all")
            .output()
            .unwrap(),
        77,
        "",
    );
    assert_output(&place.output(&["get", "not-an-id"]), 2, "");
    let url = serve.url.clone();
    serve.stop();
    assert_output(&place.output(&["ls"]), 78, "");
    let mut nobody = place.command(&["ls", "--api-url", &url]);
    assert_output(
        &nobody
            .env("SANDBOX_API_TOKEN", "any-token-will-do")
            .output()
            .unwrap(),
        69,
        "",
    );
}

fn asks_for_as_many_open_files_as_it_may_have() {
    let place = Place::new();
    let serve = env!("CARGO_BIN_EXE_sandbox");
    let few = r#"ulimit -S -n 64 && exec "$0" serve --listen 127.0.0.1:0"#;
    let mut command = place.program(Path::new("sh"), &["-c", few, serve]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut announced = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut announced).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    send(&child, Signal::TERM);
    assert!(wait(&mut child).success());
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    assert_ne!(words[3], "64");
}

//! What people and programs see of every command.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::snapshot::{self, check, check_text};
use crate::support::{Place, Serve, assert_output, eventually, send, stderr, stdout, trials, wait};
use crate::terminal::Terminal;

/// Every command, in the order of the help.
const COMMANDS: [&str; 19] = [
    "run",
    "create",
    "ls",
    "get",
    "exec",
    "code",
    "cp",
    "ssh",
    "proxy",
    "ssh-config",
    "forward",
    "pause",
    "resume",
    "rm",
    "serve",
    "image",
    "health",
    "completions",
    "man",
];

pub(crate) fn trials() -> Vec<Trial> {
    if let Some(reason) = snapshot::cannot_be_read() {
        println!("skipped: {reason}");
        return Vec::new();
    }
    trials!("snapshots":
        help,
        manual_and_completions,
        sessions,
        execution,
        pausing,
        failures,
        limits,
        configuration,
        terminal,
        questions,
        watching,
    )
}

#[track_caller]
fn matches(place: &Place, name: &str, arguments: &[&str]) {
    check(place, name, arguments, &place.output(arguments));
}

/// At a terminal.
#[track_caller]
fn matches_at_terminal(place: &Place, name: &str, arguments: &[&str], variables: &[(&str, &str)]) {
    let mut command = place.command(arguments);
    command.envs(variables.iter().copied());
    let (status, out, err) = Terminal::run(command);
    check_text(place, name, arguments, status.code().unwrap(), &out, &err);
}

fn create(place: &Place, arguments: &[&str]) -> String {
    let output = place.output(&[&["create"], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim().to_owned()
}

fn help() {
    let place = Place::new();
    matches(&place, "help", &["--help"]);
    matches(&place, "help-short", &["-h"]);
    for command in COMMANDS {
        matches(&place, &format!("help-{command}"), &[command, "--help"]);
    }
    let listed = stdout(&place.output(&["--help"]));
    let (_, listed) = listed.split_once("Commands:\n").unwrap();
    let listed: Vec<_> = listed
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(listed, [&COMMANDS[..], &["help"]].concat());
    matches(&place, "usage", &["ls", "--limits", "5"]);
    matches(&place, "usage-id", &["get", "no-id"]);
}

fn manual_and_completions() {
    let place = Place::new();
    matches(&place, "man", &["man"]);
    let pages = place.directory.path().join("new/pages");
    assert_output(&place.output(&["man", pages.to_str().unwrap()]), 0, "");
    let mut names: Vec<_> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected: Vec<_> = COMMANDS.iter().map(|name| format!("sandbox-{name}.1")).collect();
    expected.push("sandbox.1".to_owned());
    expected.sort();
    assert_eq!(names, expected);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = place.output(&["completions", shell]);
        assert!(output.status.success() && stderr(&output).is_empty(), "{shell}");
        let script = stdout(&output);
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
    }
    let script = stdout(&place.output(&["completions", "bash"]));
    let check = format!(
        "{script}\nCOMP_WORDS=(sandbox re) COMP_CWORD=1; _sandbox sandbox re sandbox; echo ${{COMPREPLY[@]}}"
    );
    let completed = Command::new("bash").args(["-c", &check]).output().unwrap();
    assert_output(&completed, 0, "resume\n");
}

fn sessions() {
    let place = Place::new();
    let serve = Serve::start(&place, &[]);
    let id = create(
        &place,
        &["--metadata", "user=alice", "--metadata", "escape=\u{9b}31m\n"],
    );
    matches(&place, "create", &["create"]);
    matches(&place, "create-json", &["create", "--json", "--metadata", "a=b"]);
    matches(&place, "ls", &["ls"]);
    matches(&place, "ls-page", &["ls", "--limit", "1", "--offset", "1"]);
    matches(&place, "ls-json", &["ls", "--json", "--limit", "1"]);
    let beginning = id.get(..13).unwrap();
    let with_id = |name: &str, arguments: &[&str]| {
        let all: Vec<_> = arguments
            .iter()
            .map(|&argument| if argument == "ID" { beginning } else { argument })
            .collect();
        check(&place, name, arguments, &place.output(&all));
    };
    with_id("get", &["get", "ID"]);
    with_id("get-json", &["get", "ID", "--json"]);
    matches(&place, "health", &["health"]);
    matches(&place, "health-json", &["health", "--json"]);
    // Nobody has to have a token for it.
    assert_output(
        &place.output(&["health", "--api-url", &serve.url]),
        0,
        "healthy\n",
    );
    with_id("rm", &["rm", "ID"]);
    matches(&place, "rm-again", &["rm", &id, "--json"]);
    matches(&place, "rm-all-nobody-to-ask", &["rm", "--all"]);
    matches(&place, "rm-all", &["rm", "--all", "--yes"]);
    matches(&place, "rm-all-none", &["rm", "--all", "--json"]);
    matches(&place, "ls-empty", &["ls"]);
}

fn pausing() {
    let place = Place::new();
    let _serve = Serve::start(&place, &[]);
    let id = create(&place, &[]);
    let log = place.directory.path().join("log");
    let watch = ["ls", "--watch", "--interval", "1"];
    let mut watching = place
        .command(&watch)
        .stdout(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let changes = || fs::read_to_string(&log).unwrap().replace(&id, "ID");
    eventually("the session is seen", || changes() == "added   ID  running\n");
    let paused = place.output(&["pause", &id]);
    if stderr(&paused).contains("UNSUPPORTED") {
        println!("skipped: {}", stderr(&paused).trim());
    } else {
        check(&place, "pause", &["pause", "ID"], &paused);
        eventually("the change is seen", || {
            changes().ends_with("\nchanged ID  paused\n")
        });
        matches(&place, "get-paused", &["get", &id]);
        matches(&place, "exec-paused", &["exec", &id, "true"]);
        matches_at_terminal(&place, "terminal-ls-paused", &["ls"], &[]);
        matches(&place, "resume", &["resume", &id, "--json"]);
        assert_output(&place.output(&["exec", &id, "echo on"]), 0, "on\n");
    }
    send(&watching, Signal::TERM);
    assert_eq!(wait(&mut watching).code(), Some(143));
}

fn execution() {
    let place = Place::new();
    let _serve = Serve::start(&place, &[]);
    let id = create(&place, &[]);
    let with_id = |name: &str, arguments: &[&str]| {
        let all: Vec<_> = arguments
            .iter()
            .map(|&argument| if argument == "ID" { id.as_str() } else { argument })
            .collect();
        check(&place, name, arguments, &place.output(&all));
    };
    with_id(
        "exec",
        &["exec", "ID", "--", "echo $0 | head -c 4; echo err >&2; exit 3"],
    );
    with_id(
        "exec-arguments",
        &["exec", "ID", "--", "printf", "%s|", "$HOME", "a b", "it's"],
    );
    with_id(
        "exec-env",
        &["exec", "ID", "--env", "A=1", "-e", "B=a b", "--", "echo $A $B"],
    );
    with_id("exec-json", &["exec", "ID", "--json", "--", "echo out; exit 3"]);
    with_id(
        "exec-timeout",
        &["exec", "ID", "--timeout", "1", "--", "echo started; sleep 60"],
    );
    with_id(
        "exec-timeout-json",
        &[
            "exec",
            "ID",
            "--timeout",
            "1",
            "--json",
            "--",
            "echo started; sleep 60",
        ],
    );
    assert_output(&place.output(&["exec", &id, "no-such-command"]), 127, "");
    let cut = place.output(&["exec", &id, "head -c 2M /dev/zero | tr '\\0' x"]);
    assert_output(&cut, 0, &"x".repeat(1 << 20));
    assert!(stderr(&cut).contains("the output was cut"), "{}", stderr(&cut));
    with_id("exec-bad-value", &["exec", "ID", "--timeout", "301", "true"]);
    with_id("code", &["code", "ID", "-c", "print(6 * 7)"]);
    with_id(
        "code-bash-json",
        &[
            "code",
            "ID",
            "-l",
            "bash",
            "--json",
            "-c",
            "echo $((6 * 7)); false",
        ],
    );
    let file = place.directory.path().join("hello.sh");
    fs::write(&file, "echo from a file").unwrap();
    assert_output(
        &place.output(&["code", &id, file.to_str().unwrap()]),
        0,
        "from a file\n",
    );
    assert_output(
        &place.output_with_input(&["code", &id, "-"], "print('from a pipe')"),
        0,
        "from a pipe\n",
    );
}

fn failures() {
    let place = Place::new();
    matches(&place, "no-api", &["ls"]);
    let unreachable = &["ls", "--api-url", "http://127.0.0.1:1/v1"];
    matches(&place, "no-token", unreachable);
    let with_token = |token: &str, arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("SANDBOX_API_TOKEN", token).output().unwrap()
    };
    check(
        &place,
        "unreachable",
        unreachable,
        &with_token("any-token-will-do", unreachable),
    );
    let for_programs = &[unreachable, &["--json"][..]].concat();
    check(
        &place,
        "unreachable-json",
        for_programs,
        &with_token("any-token-will-do", for_programs),
    );
    check(&place, "bad-token", &["ls"], &{
        let mut command = place.command(&["ls"]);
        command
            .env("SANDBOX_API_TOKEN", "a token")
            .env("SANDBOX_API_URL", "http://127.0.0.1:1/v1");
        command.output().unwrap()
    });
    check(&place, "empty-variable", &["ls"], &{
        let mut command = place.command(&["ls"]);
        command
            .env("SANDBOX_API_TOKEN", "token")
            .env("SANDBOX_API_URL", "");
        command.output().unwrap()
    });
    let serve = Serve::start(&place, &[]);
    check(
        &place,
        "unauthorized",
        &["ls"],
        &with_token("not-the-token-at-all", &["ls"]),
    );
    matches(
        &place,
        "not-found",
        &["get", "00000000-0000-0000-0000-000000000000"],
    );
    let nobody = "00000000-0000-0000-0000-000000000000";
    matches(&place, "not-found-json", &["get", nobody, "--json"]);
    let told = place.output(&["exec", nobody, "--json", "true"]);
    let told: serde_json::Value = serde_json::from_str(&stderr(&told)).unwrap();
    assert_eq!(
        (&told["error"], &told["exitCode"]),
        (&"SESSION_NOT_FOUND".into(), &66.into())
    );
    matches(&place, "no-beginning", &["get", "0000"]);
    matches(&place, "bad-value", &["create", "--ttl", "59"]);
    matches(
        &place,
        "no-image",
        &["create", "--image", "localhost:1/python:3.11"],
    );
    matches(
        &place,
        "second-server",
        &["serve", "--listen", "127.0.0.1:0", "--state-dir", &{
            let state = place.directory.path().join("state");
            state.to_str().unwrap().to_owned()
        }],
    );
    serve.kill();
    matches(&place, "server-gone", &["ls"]);
    let written = place.directory.path().join("sandbox/server.json");
    fs::set_permissions(&written, fs::Permissions::from_mode(0o644)).unwrap();
    matches(&place, "server-file-for-all", &["ls"]);
}

fn limits() {
    let place = Place::new();
    let serve = Serve::start(&place, &["--max-sessions-per-owner", "1"]);
    create(&place, &[]);
    matches(&place, "session-limit", &["create"]);
    assert!(place.output(&["rm", "--all", "--yes"]).status.success());
    serve.stop();
    let _serve = Serve::start(&place, &["--rate-limit", "1"]);
    assert!(place.output(&["ls"]).status.success());
    // A wait of a minute is for whoever asks to decide on.
    matches(&place, "rate-limited", &["ls"]);
}

fn configuration() {
    let place = Place::new();
    let serve = Serve::start(&place, &[]);
    let folder = place.directory.path().join("sandbox");
    let (config, token) = (folder.join("config.toml"), folder.join("token"));
    let write = |path: &std::path::Path, mode: u32, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    // The file of the running server must not be what makes these work.
    fs::remove_file(folder.join("server.json")).unwrap();
    matches(
        &place,
        "config-missing",
        &["ls", "--config", "/nonexistent/config.toml"],
    );
    write(
        &config,
        0o644,
        "api-url = \"http://127.0.0.1:1/v1\"\n\ncolour = \"red\"\n",
    );
    matches(&place, "config-unknown-key", &["ls"]);
    write(
        &config,
        0o644,
        &format!("api-url = \"{}\"\ntoken = \"{}\"\n", serve.url, serve.token),
    );
    matches(&place, "config-for-all", &["ls"]);
    write(
        &config,
        0o600,
        &format!("api-url = \"{}\"\ntoken = \"{}\"\n", serve.url, serve.token),
    );
    assert!(place.output(&["ls"]).status.success());
    assert!(place.output(&["run", "-c", "1"]).status.success());
    // The token of the file is for the address of the file.
    matches(
        &place,
        "config-other-address",
        &["ls", "--api-url", "http://127.0.0.1:1/v1"],
    );
    write(
        &config,
        0o644,
        &format!("api-url = \"{}\"\ntoken-file = \"token\"\n", serve.url),
    );
    write(&token, 0o640, &serve.token);
    matches(&place, "token-file-for-all", &["ls"]);
    write(&token, 0o600, &format!("{}\n", serve.token));
    assert!(place.output(&["ls"]).status.success());
    let arguments = [
        "ls",
        "--api-url",
        &serve.url,
        "--token-file",
        token.to_str().unwrap(),
    ];
    assert!(place.output(&arguments).status.success());
    // Variables go before the file.
    let mut other = place.command(&["ls"]);
    other
        .env("SANDBOX_API_URL", "http://127.0.0.1:1/v1")
        .env("SANDBOX_API_TOKEN", "any-token-will-do");
    assert_output(&other.output().unwrap(), 69, "");
    let mut named = place.command(&["ls"]);
    named.env("SANDBOX_CONFIG", "/nonexistent/config.toml");
    assert_output(&named.output().unwrap(), 78, "");
}

fn terminal() {
    let place = Place::new();
    matches_at_terminal(&place, "terminal-help", &["--help"], &[]);
    matches_at_terminal(&place, "terminal-failure", &["ls"], &[]);
    let _serve = Serve::start(&place, &[]);
    let id = create(&place, &[]);
    matches_at_terminal(&place, "terminal-ls", &["ls"], &[]);
    matches_at_terminal(&place, "terminal-ls-no-color", &["ls"], &[("NO_COLOR", "1")]);
    matches_at_terminal(&place, "terminal-ls-never", &["ls", "--color", "never"], &[]);
    matches_at_terminal(&place, "terminal-ls-json", &["ls", "--json"], &[]);
    matches_at_terminal(
        &place,
        "terminal-run",
        &[
            "run",
            "-c",
            "import sys; print('out'); print('err', file=sys.stderr)",
        ],
        &[],
    );
    // Colours without a terminal, for who asks for them.
    matches(&place, "color-always", &["ls", "--color", "always"]);
    let mut forced = place.command(&["ls"]);
    forced.env("CLICOLOR_FORCE", "1");
    check(&place, "color-forced", &["ls"], &forced.output().unwrap());

    let file = place.directory.path().join("data");
    fs::write(&file, vec![0; 8 << 20]).unwrap();
    let arguments = ["cp", file.to_str().unwrap(), &format!("{id}:")];
    let (status, out, err) = Terminal::run(place.command(&arguments));
    assert!(status.success() && out.is_empty(), "{out}{err}");
    assert!(err.contains("data [") && err.contains("8.00 MiB"), "{err:?}");
    assert!(
        err.ends_with("\r\x1b[2K") || err.ends_with("\x1b[K") || err.ends_with("\x1b[2K"),
        "{err:?}"
    );
    let output = place.output(&arguments);
    assert_output(&output, 0, "");
    assert_eq!(stderr(&output), "", "no bar without a terminal");
}

fn questions() {
    let place = Place::new();
    let _serve = Serve::start(&place, &[]);
    let id = create(&place, &[]);
    for (answer, name) in [
        ("n\n", "terminal-rm-no"),
        ("\n", "terminal-rm-nothing"),
        ("y\n", "terminal-rm-yes"),
    ] {
        assert!(place.output(&["get", &id]).status.success());
        let arguments = ["rm", "--all"];
        let mut terminal = Terminal::start(place.command(&arguments));
        terminal.await_message("[y/N]");
        terminal.type_in(answer);
        let (status, out, err) = terminal.end();
        check_text(&place, name, &arguments, status.code().unwrap(), &out, &err);
    }
    assert_output(&place.output(&["get", &id]), 66, "");
}

fn watching() {
    let place = Place::new();
    let _serve = Serve::start(&place, &[]);
    let first = create(&place, &[]);
    let arguments = ["ls", "--watch", "--interval", "1"];
    let terminal = Terminal::start(place.command(&arguments));
    terminal.await_output(&first);
    let second = create(&place, &[]);
    terminal.await_output(&second);
    send(terminal.child(), Signal::INT);
    let (status, out, err) = terminal.end();
    assert_eq!((status.code(), err.as_str()), (Some(130), ""));
    let last = out.rsplit("\x1b[H").next().unwrap();
    check_text(&place, "terminal-watch", &arguments, 130, last, &err);

    let log = place.directory.path().join("log");
    for (name, json) in [("watch", None), ("watch-json", Some("--json"))] {
        let arguments: Vec<_> = arguments.iter().copied().chain(json).collect();
        let mut child = place
            .command(&arguments)
            .stdout(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lines = || fs::read_to_string(&log).unwrap();
        let count = |count: usize| eventually("as many changes", || lines().lines().count() == count);
        count(2);
        let third = create(&place, &[]);
        count(3);
        assert!(place.output(&["rm", &third]).status.success());
        count(4);
        send(&child, Signal::INT);
        assert_eq!(wait(&mut child).code(), Some(130));
        // The two that were there come in the order of their ids, which differs.
        let text = lines()
            .replace(&first, "FIRST")
            .replace(&second, "SECOND")
            .replace(&third, "THIRD");
        let mut text: Vec<_> = text.lines().collect();
        text[..2].sort_unstable();
        check_text(&place, name, &arguments, 130, &text.join("\n"), "");
    }
}

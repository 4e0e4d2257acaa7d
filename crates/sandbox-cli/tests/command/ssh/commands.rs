//! `sandbox ssh`.

use super::{House, Test, Transport, assert_bytes, noise, with_input};
use crate::support::{assert_output, stderr};
use crate::terminal::Terminal;

pub(super) const TESTS: [Test; 4] = [
    ("commands_have_input_output_and_exit_codes", commands),
    ("much_goes_both_ways_at_once", much),
    ("a_shell_is_at_this_terminal", shell),
    ("failures_have_exit_codes", failures),
];

fn commands(transport: Transport) {
    let house = House::open(transport, &[]);
    let id = house.id.as_str();
    let output = house.output(&["ssh", &id[..8], "echo out; echo err >&2; exit 3"]);
    assert_output(&output, 3, "out\n");
    assert_eq!(stderr(&output), "err\n");
    assert_output(
        &house.output(&["ssh", id, "printf", "%s|", "a b", "$HOME"]),
        0,
        "a b|$HOME|",
    );
    assert_output(
        &house.output(&["ssh", id, "-e", "GREETING=hello", "--", "echo $GREETING"]),
        0,
        "hello\n",
    );
    assert_output(&house.output(&["ssh", id, "kill -KILL $$"]), 137, "");
    let output = with_input(house.command(&["ssh", id, "sort"]), b"b\na\n");
    assert_output(&output, 0, "a\nb\n");
    // A shell reads its commands from what is no terminal.
    let output = with_input(house.command(&["ssh", id]), b"test -t 0 || echo none\nexit 4\n");
    assert_output(&output, 4, "none\n");
}

fn much(transport: Transport) {
    let house = House::open(transport, &[]);
    let sent = noise(32 << 20);
    assert_bytes(
        &with_input(house.command(&["ssh", &house.id, "cat"]), &sent),
        &sent,
    );
}

fn shell(transport: Transport) {
    let house = House::open(transport, &[]);
    let mut terminal = Terminal::start(house.command(&["ssh", &house.id]));
    // Twelve lines of a hundred columns, as every terminal here; the quotes keep the echo from being taken for it.
    terminal.type_in("echo is''terminal; stty size\r");
    terminal.await_output("isterminal");
    terminal.await_output("12 100");
    // To the program there, and not to this command.
    terminal.type_in("sh -c 'trap \"echo ca\\\"\\\"ught; exit\" INT; echo wait\"\"ing; sleep 1000'\r");
    terminal.await_output("waiting");
    terminal.type_in("\x03");
    terminal.await_output("caught");
    terminal.type_in("echo still''here; exit 5\r");
    terminal.await_output("stillhere");
    let (status, _, err) = terminal.end();
    assert_eq!(status.code(), Some(5), "{err}");
    let (status, out, _) = Terminal::run(house.command(&["ssh", &house.id, "-t", "test -t 0 && echo yes"]));
    assert!(status.success() && out.contains("yes"), "{out}");
}

fn failures(transport: Transport) {
    let house = House::open(transport, &[]);
    let nobody = "00000000-0000-4000-8000-000000000000";
    for arguments in [
        &["ssh", nobody, "true"][..],
        &["proxy", nobody],
        &["ssh-config", nobody],
        &["forward", nobody, "80"],
    ] {
        assert_output(&house.output(arguments), 66, "");
    }
    assert_output(&house.output(&["forward", &house.id, "80:x"]), 2, "");
    assert_output(
        &house.output(&["ssh", &house.id, "-i", "/nowhere", "true"]),
        65,
        "",
    );
    let mut stranger = house.command(&["proxy", &house.id]);
    stranger.env("SANDBOX_API_TOKEN", "not-the-token-at-all");
    assert_output(&stranger.output().unwrap(), 77, "");
}

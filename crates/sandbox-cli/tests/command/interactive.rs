//! `sandbox exec -it`.

use libtest_mimic::Trial;

use crate::support::{Place, Serve, assert_output, stderr, stdout, trials};
use crate::terminal::Terminal;

pub(crate) fn trials() -> Vec<Trial> {
    trials!("interactive":
        a_command_has_this_terminal,
        a_command_has_this_input,
        a_terminal_alone_types_nothing,
    )
}

/// A server, with a session of which this is the id.
fn session(place: &Place, create: &[&str]) -> (Serve, String) {
    let serve = Serve::start(place, &[]);
    let created = place.output(&[&["create", "--ttl", "600"], create].concat());
    assert!(created.status.success(), "{}", stderr(&created));
    (serve, stdout(&created).trim().to_owned())
}

fn a_command_has_this_terminal() {
    let place = Place::new();
    let (_serve, id) = session(&place, &[]);
    let script =
        "stty size; test -t 0 && test -t 1 && echo at a $WHAT; read -r line; echo \"<$line>\"; exit 9";
    let mut terminal =
        Terminal::start(place.command(&["exec", "-it", "-e", "WHAT=terminal", &id, "--", script]));
    terminal.await_output("12 100");
    terminal.await_output("at a terminal");
    terminal.type_in("hello\r");
    terminal.await_output("<hello>");
    let (status, _, err) = terminal.end();
    assert_eq!(status.code(), Some(9), "{err}");
    // What is pressed is the program's: an interrupt, too.
    let mut terminal =
        Terminal::start(place.command(&["exec", "-i", "-t", &id, "echo ready; exec sleep 600"]));
    terminal.await_output("ready");
    terminal.type_in("\x03");
    let (status, _, err) = terminal.end();
    assert_eq!(status.code(), Some(130), "{err}");
}

fn a_command_has_this_input() {
    let place = Place::new();
    let (_serve, id) = session(&place, &[]);
    let output = place.output_with_input(&["exec", "-i", &id, "--", "tr", "a-z", "A-Z"], "hello\n");
    assert_output(&output, 0, "HELLO\n");
    // No terminal where there is none.
    let output = place.output_with_input(
        &["exec", "-it", &id, "test -t 0 || cat; echo err >&2; exit 3"],
        "x",
    );
    assert_output(&output, 3, "x");
    assert_eq!(stderr(&output), "err\n");
    // Without the flag nothing is read.
    let output = place.output_with_input(&["exec", &id, "cat"], "");
    assert_output(&output, 0, "");
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_output(&place.output(&["exec", "-i", nobody, "true"]), 66, "");
    assert_output(
        &place.output(&["exec", "-i", "--identity", "/nowhere", &id, "true"]),
        65,
        "",
    );
}

fn a_terminal_alone_types_nothing() {
    let place = Place::new();
    let (_serve, id) = session(&place, &[]);
    let mut terminal = Terminal::start(place.command(&["exec", "-t", &id, "test -t 1 && cat; echo ended"]));
    terminal.type_in("typed for nobody\n");
    terminal.await_output("ended");
    let (status, _, err) = terminal.end();
    assert_eq!(status.code(), Some(0), "{err}");
}

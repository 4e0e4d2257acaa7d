//! What programs find around them.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ssh::{ExecEvent, SshExec, TerminalSize};

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "environment":
        a_command_has_what_a_login_gives,
        a_shell_has_a_login_and_a_terminal,
        what_is_asked_for_goes_before_it,
    ]
}

const SIZE: TerminalSize = TerminalSize {
    columns: 80,
    rows: 24,
};

/// The variables of a program that prints them, each ended by a zero; and waits for its end.
async fn variables(program: SshExec, typed: &str) -> BTreeMap<String, String> {
    let mut process = program.await.unwrap();
    process.input.write(typed.to_owned()).await.unwrap();
    process.input.finish().await.unwrap();
    let mut output = Vec::new();
    while let Some(event) = process.output.next().await.unwrap() {
        if let ExecEvent::Stdout(bytes) = event {
            output.extend_from_slice(&bytes);
        }
    }
    let output = String::from_utf8(output).unwrap();
    let (_, output) = output.split_once("BEGIN\n").unwrap_or(("", &output));
    output
        .split_terminator('\0')
        .map(|pair| {
            let (name, value) = pair
                .split_once('=')
                .unwrap_or_else(|| panic!("{pair:?} of {output:?}"));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[track_caller]
fn assert_login(variables: &BTreeMap<String, String>, further: &[&str]) {
    let value = |name: &str| variables.get(name).map_or("", String::as_str);
    assert_eq!(value("HOME"), "/home/sandbox");
    assert_eq!((value("USER"), value("LOGNAME")), ("sandbox", "sandbox"));
    assert_eq!(value("LANG"), "C.UTF-8");
    assert!(
        value("PATH").split(':').any(|folder| folder == "/usr/bin"),
        "{variables:?}"
    );
    assert!(value("SHELL").starts_with('/'), "{variables:?}");
    // And nothing of the server's.
    let known = [
        "HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER", "PWD", "OLDPWD", "SHLVL", "_",
    ];
    for name in variables.keys() {
        assert!(
            known.contains(&name.as_str()) || further.contains(&name.as_str()),
            "{name} of {variables:?}"
        );
    }
}

async fn a_command_has_what_a_login_gives(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    assert_login(&variables(ssh.exec("exec env -0"), "").await, &[]);
    let checks = "cd \"$HOME\" && test -w . && test -x \"$SHELL\" && locale charmap && command -v ls env sh >&2 && \
        test \"$(id -un)\" = \"$USER\"";
    let output = ssh.run_command(checks).await.unwrap();
    assert_eq!(
        (output.exit_code(), output.stdout().trim()),
        (Some(0), "UTF-8"),
        "{}",
        output.stderr()
    );
    // A terminal has a kind, and only a terminal has one.
    let at_terminal = variables(
        ssh.exec("stty -opost; printf 'BEGIN\\n'; exec env -0")
            .terminal("vt100", SIZE),
        "",
    )
    .await;
    assert_login(&at_terminal, &["TERM"]);
    assert_eq!(at_terminal.get("TERM").map(String::as_str), Some("vt100"));
    session.delete().await.unwrap();
}

async fn a_shell_has_a_login_and_a_terminal(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    assert_login(&variables(ssh.shell().no_terminal(), "env -0\n").await, &["MAIL"]);
    let typed = "stty -echo -opost; PS1=; printf 'BEGI''N\\n'; env -0; exec true\n";
    let found = variables(ssh.shell(), typed).await;
    assert_login(&found, &["MAIL", "TERM"]);
    assert_eq!(found.get("TERM").map(String::as_str), Some("xterm-256color"));
    session.delete().await.unwrap();
}

async fn what_is_asked_for_goes_before_it(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let program = ssh.exec("exec env -0").env("LANG", "C").env("MINE", "a\nb");
    let found = variables(program, "").await;
    assert_eq!(found.get("LANG").map(String::as_str), Some("C"));
    assert_eq!(found.get("MINE").map(String::as_str), Some("a\nb"));
    session.delete().await.unwrap();
}

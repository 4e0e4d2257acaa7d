//! Starting the command and waiting for what it does.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sandbox_api_contract::Tap;
use tempfile::TempDir;

/// Long enough for any machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the kernel says about it, not our own programs: where this answers None, they must work.
pub(crate) fn cannot_make_sandboxes() -> Option<String> {
    let output = Command::new("unshare")
        .args(["--user", "true"])
        .output()
        .expect("unshare is installed");
    let refusal = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    (!output.status.success()).then(|| format!("this host allows no user namespaces: {refusal}"))
}

/// Whether a program is there that a test is about; the test is skipped without it.
pub(crate) fn installed(program: &str) -> bool {
    let found = succeeds(Command::new("sh").args(["-c", &format!("command -v {program}")]));
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// A Python that has a module, which that of the system may have where another one comes first; the test is skipped
/// without one.
pub(crate) fn python_with(module: &str) -> Option<String> {
    let import = format!("import {module}");
    let found = ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| succeeds(Command::new(python).args(["-c", &import])));
    if found.is_none() {
        skipped(&format!("there is no Python with {module}"));
    }
    found.map(str::to_owned)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Tells of a program that a test is about and that is not on this machine. In CI it has to be: nobody reads there what
/// was skipped.
fn skipped(why: &str) {
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "{why}, and CI tests all");
    println!("skipped: {why}");
}

/// Makes a pair of keys with OpenSSH's program, and names the file of the private one; the other ends in `.pub`.
pub(crate) fn key_pair(directory: &Path, kind: &str, name: &str) -> String {
    let file = directory.join(name);
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", kind, "-N", "", "-f"]).arg(&file);
    assert!(make.status().expect("ssh-keygen starts").success());
    file.to_str().expect("a plain path").to_owned()
}

/// A place of its own for what a command keeps, and commands that know no other.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_sandbox")), arguments)
    }

    /// Any program, in an environment with nothing of the tester's but where programs are.
    pub(crate) fn program(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        for name in [
            "HOME",
            "TMPDIR",
            "XDG_CONFIG_HOME",
            "XDG_RUNTIME_DIR",
            "XDG_STATE_HOME",
        ] {
            command.env(name, self.directory.path());
        }
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command starts")
    }

    pub(crate) fn output_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(input.as_bytes())
            .expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// Everything below the place's directory.
    pub(crate) fn files(&self) -> Vec<String> {
        fn walk(directory: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                found.push(entry.path().display().to_string());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    walk(&entry.path(), found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.directory.path(), &mut found);
        found
    }
}

/// A running `sandbox serve`, ended with the test, and its sessions with it: they would outlive it.
///
/// Commands reach it through a tap, which holds what is said against the API's document, also if they find it
/// by its file, unless that names a certificate.
pub(crate) struct Serve {
    child: Child,
    _tap: Option<Tap>,
    remove_sessions: Command,
    /// What points a command at it.
    variables: Vec<(&'static str, OsString)>,
    pub(crate) url: String,
    pub(crate) token: String,
    /// What clients have to trust, where it speaks TLS.
    pub(crate) certificate: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        Self::announced(
            place,
            arguments,
            &["SANDBOX_API_URL", "SANDBOX_API_TOKEN"],
            tapped,
        )
    }

    /// Reached without a tap, which would show a certificate of its own: for tests of whose is trusted.
    pub(crate) fn start_with_its_own_certificate(place: &Place) -> Self {
        let variables = ["SANDBOX_API_URL", "SANDBOX_API_TOKEN"];
        Self::announced(place, &["--tls-self-signed"], &variables, |_, reached| {
            (None, reached)
        })
    }

    /// With the tokens of a file, which it does not print.
    pub(crate) fn start_with_tokens(place: &Place, file: &Path) -> Self {
        Self::announced(
            place,
            &["--token-file", file.to_str().expect("a plain path")],
            &["SANDBOX_API_URL"],
            tapped,
        )
    }

    fn announced(
        place: &Place,
        arguments: &[&str],
        variables: &[&str],
        tap: fn(&Place, Reached) -> (Option<Tap>, Reached),
    ) -> Self {
        let state = place.directory.path().join("state");
        let fixed = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--state-dir",
            state.to_str().expect("a plain path"),
        ];
        let mut child = place
            .command(&[&fixed, arguments].concat())
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut values = variables.iter().map(|name| {
            let line = lines.next().expect("a line").expect("it is read");
            line.strip_prefix(&format!("export {name}="))
                .expect(&line)
                .to_owned()
        });
        let url = values.next().expect("an address");
        let token = values.next().unwrap_or_default();
        let certificate = url.starts_with("https:").then(|| state.join("certificate.pem"));
        let (tap, Reached { url, certificate }) = tap(place, Reached { url, certificate });
        let mut variables = vec![
            ("SANDBOX_API_URL", url.clone().into()),
            ("SANDBOX_API_TOKEN", token.clone().into()),
        ];
        variables.extend(certificate.iter().map(|file| ("SSL_CERT_FILE", file.into())));
        let mut remove_sessions = place.command(&["rm", "--all", "--yes"]);
        remove_sessions.envs(variables.clone());
        Self {
            child,
            _tap: tap,
            remove_sessions,
            variables,
            url,
            token,
            certificate,
        }
    }

    /// Points a command at this server.
    pub(crate) fn reached_by(&self, mut command: Command) -> Command {
        command.envs(self.variables.clone());
        command
    }

    pub(crate) fn output(&self, place: &Place, arguments: &[&str]) -> Output {
        self.reached_by(place.command(arguments))
            .output()
            .expect("the command starts")
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Ends it as an operator would, and waits.
    pub(crate) fn stop(mut self) {
        send(&self.child, Signal::TERM);
        let status = wait(&mut self.child);
        assert!(status.success(), "serve ended with {status}");
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.remove_sessions.output();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a server is, and what clients have to trust where it speaks TLS.
struct Reached {
    url: String,
    certificate: Option<PathBuf>,
}

/// Puts a tap before a server, which speaks to clients as the server does.
fn tapped(place: &Place, server: Reached) -> (Option<Tap>, Reached) {
    let tap = match &server.certificate {
        None => Tap::before(&server.url),
        Some(file) => {
            let certificate = std::fs::read_to_string(file).expect("a certificate");
            Tap::before_tls(&server.url, &certificate)
        }
    };
    let tap = tap.expect("a tap");
    let file = tap.certificate_pem().map(|certificate| {
        let file = place.directory.path().join("tap.pem");
        std::fs::write(&file, certificate).expect("it is written");
        file
    });
    let reached = Reached {
        url: tap.url(),
        certificate: file,
    };
    if reached.certificate.is_none() {
        lead_by_file(place, &server.url, &reached.url);
    }
    (Some(tap), reached)
}

/// Has commands that find the server by its file find the tap. The file stays the server's own, with its lock.
fn lead_by_file(place: &Place, server: &str, tap: &str) {
    let file = place.directory.path().join("sandbox/server.json");
    if let Ok(text) = std::fs::read_to_string(&file)
        && text.contains(server)
    {
        std::fs::write(&file, text.replace(server, tap)).expect("it is written");
    }
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is signalled");
}

pub(crate) fn wait(child: &mut Child) -> std::process::ExitStatus {
    let mut status = None;
    eventually("the command ends", || {
        status = child.try_wait().expect("it is waited for");
        status.is_some()
    });
    status.expect("it ended")
}

/// Waits until it holds, and fails when it does not for very long.
pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) {
    eventually_saying(|| what.to_owned(), holds);
}

/// As [`eventually`], where what was waited for is best described when it is known how far it came.
pub(crate) fn eventually_saying(what: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {}", what());
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts what a command printed and how it ended, with all of it in the message.
#[track_caller]
pub(crate) fn assert_output(output: &Output, code: i32, expected: &str) {
    assert!(
        output.status.code() == Some(code) && stdout(output) == expected,
        "expected {code} and {expected:?}, got {:?}, {:?} and {:?}",
        output.status,
        stdout(output),
        stderr(output),
    );
}

/// Each function as a trial of its name.
macro_rules! trials {
    ($room:literal: $($test:ident),+ $(,)?) => {
        vec![$(libtest_mimic::Trial::test(concat!($room, "::", stringify!($test)), || {
            $test();
            Ok(())
        })),+]
    };
}
pub(crate) use trials;

//! A test program that has started itself, to be something else: a server, a client.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use crate::Process;

const ROLE: &str = "CONTRACT_TEST_ROLE";
const ARGUMENTS: &str = "CONTRACT_TEST_ARGUMENTS";

/// What a role does: it gets its arguments, and talks to whoever started it on its standard streams.
pub type Play = fn(&[&str]) -> ExitCode;

/// Plays the one of the roles that this process was started for, if any. To be called before anything else is done.
pub fn play_if_asked(roles: &[(&str, Play)]) -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let arguments = std::env::var(ARGUMENTS).expect("arguments");
    let (_, play) = roles.iter().find(|(name, _)| *name == role).expect("a role");
    Some(play(&arguments.split(' ').collect::<Vec<_>>()))
}

/// This program in a role. It is killed when this is dropped.
pub struct Player {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Player {
    /// Starts it. No argument has a space.
    pub fn start(role: &str, arguments: &[&str]) -> Self {
        Self::start_in(role, arguments, &[])
    }

    /// As [`start`](Self::start), in an environment that differs in these variables; without a value there is none of the
    /// name.
    pub fn start_in(role: &str, arguments: &[&str], environment: &[(&str, Option<&str>)]) -> Self {
        let mut command = Command::new("/proc/self/exe");
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command
            .env(ROLE, role)
            .env(ARGUMENTS, arguments.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, stdout }
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// What it says next; nothing when it has ended.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    /// Lets it go on.
    pub fn nod(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"\n").expect("it listens");
    }

    /// Kills it, and waits until it has ended.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
    }

    /// Lets it end by itself.
    pub fn finish(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says something to whoever started this process.
pub fn say(line: &str) {
    println!("{line}");
}

/// Waits for the nod; `false` when there will be none.
pub fn wait_for_nod() -> bool {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0)
}

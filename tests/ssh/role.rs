//! What this program is when it has started itself.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use crate::process::Process;

const ROLE: &str = "SSH_TEST_ROLE";
const ARGUMENTS: &str = "SSH_TEST_ARGUMENTS";

/// What a role does: it gets its arguments, and talks to whoever started it on its standard streams.
type Play = fn(&[&str]) -> ExitCode;

const ROLES: [(&str, Play); 3] = [
    ("server", crate::server::serve),
    ("busy", crate::endings::be_busy),
    ("cycles", crate::cycles::turn),
];

/// Plays the role that this process was started for, if any.
pub(crate) fn play_if_asked() -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let arguments = std::env::var(ARGUMENTS).expect("arguments");
    let (_, play) = ROLES.iter().find(|(name, _)| *name == role).expect("a role");
    Some(play(&arguments.split(' ').collect::<Vec<_>>()))
}

/// This program in a role. It is killed when this is dropped.
pub(crate) struct Player {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Player {
    pub(crate) fn start(role: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("/proc/self/exe")
            .env(ROLE, role)
            .env(ARGUMENTS, arguments.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, stdout }
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// What it says next; nothing when it has ended.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    /// Lets it go on.
    pub(crate) fn nod(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"\n").expect("it listens");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
    }

    /// Lets it end by itself.
    pub(crate) fn finish(mut self) {
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
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Waits for the nod; `false` when there will be none.
pub(crate) fn wait_for_nod() -> bool {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0)
}

//! Many sessions over one connection of OpenSSH's.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::{House, Running, Test, Transport};
use crate::support::{eventually, stderr, stdout, wait};

pub(super) const TESTS: [Test; 1] = [("openssh_multiplexes", two_masters)];

/// Sessions of SSH over each connection.
const SESSIONS: usize = 20;

/// A connection that others use.
struct Master<'a> {
    house: &'a House,
    control: String,
    running: Running,
}

impl<'a> Master<'a> {
    /// `None` where OpenSSH is not installed.
    fn start(house: &'a House, name: &str) -> Option<Self> {
        let control = format!("ControlPath={}", house.path(name).display());
        let ssh = house.openssh("ssh", &["-o", &control, "-M", "-N", &house.host()])?;
        let master = Self {
            house,
            control,
            running: Running::start(ssh),
        };
        eventually("the master is there", || {
            master.tell("check").output().unwrap().status.success()
        });
        Some(master)
    }

    /// Over this connection only: without it, the command fails.
    fn openssh(&self, arguments: &[&str]) -> Command {
        let shared = ["-o", &self.control, "-o", "ProxyCommand=false"];
        self.house
            .openssh("ssh", &[&shared[..], arguments].concat())
            .unwrap()
    }

    fn tell(&self, what: &str) -> Command {
        self.openssh(&["-O", what, &self.house.host()])
    }

    /// Gives back a line, after it has said that it runs.
    fn session(&self) -> Child {
        let ssh = self
            .openssh(&[&self.house.host(), "echo ready; read line; echo \"$line\""])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        ssh.unwrap()
    }

    fn end(mut self) {
        let told = self.tell("exit").output().unwrap();
        assert!(told.status.success(), "{}", stderr(&told));
        wait(&mut self.running.0);
    }
}

/// Two connections with twenty sessions each, all of them at the same time.
fn two_masters(transport: Transport) {
    let house = House::open(transport, &[]);
    let Some(one) = Master::start(&house, "one") else {
        return;
    };
    let two = Master::start(&house, "two").unwrap();
    let masters = [&one, &two];
    let mut sessions: Vec<Child> = (0..SESSIONS).flat_map(|_| masters.map(Master::session)).collect();
    let outputs: Vec<_> = sessions
        .iter_mut()
        .map(|session| {
            let mut output = BufReader::new(session.stdout.take().unwrap());
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            output
        })
        .collect();
    // All of them run now, and none has ended.
    for (number, (mut session, output)) in sessions.into_iter().zip(outputs).enumerate() {
        writeln!(session.stdin.take().unwrap(), "{number}").unwrap();
        let rest: Vec<String> = output.lines().map(Result::unwrap).collect();
        assert_eq!(rest, [number.to_string()]);
        let ended = session.wait_with_output().unwrap();
        assert!(ended.status.success(), "{} {}", stdout(&ended), stderr(&ended));
    }
    one.end();
    two.end();
}

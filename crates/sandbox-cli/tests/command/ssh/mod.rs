//! SSH to sessions, over plain HTTP and over TLS: by our own commands, by OpenSSH's programs and by Python's paramiko.

mod commands;
mod copies;
mod forwarding;
mod multiplexing;
mod openssh;
mod python;
mod trust;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use libtest_mimic::Trial;

use crate::support::{Place, Serve, installed, stderr, stdout};

/// Each test once over each transport.
pub(crate) fn trials() -> Vec<Trial> {
    let tests = [
        &commands::TESTS[..],
        &openssh::TESTS,
        &copies::TESTS,
        &forwarding::TESTS,
        &multiplexing::TESTS,
        &python::TESTS,
    ];
    let tests = tests.concat();
    let over = |transport: Transport| {
        tests.clone().into_iter().map(move |(name, test)| {
            Trial::test(format!("ssh::{name}_over_{}", transport.name()), move || {
                test(transport);
                Ok(())
            })
        })
    };
    let mut trials: Vec<Trial> = Transport::ALL.into_iter().flat_map(over).collect();
    trials.extend(trust::trials());
    trials
}

/// A test's name, and what it does over a transport.
type Test = (&'static str, fn(Transport));

/// What lies beneath HTTP.
#[derive(Clone, Copy)]
enum Transport {
    Tcp,
    Tls,
}

impl Transport {
    const ALL: [Self; 2] = [Self::Tcp, Self::Tls];

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "http",
            Self::Tls => "https",
        }
    }

    fn serve(self) -> &'static [&'static str] {
        match self {
            Self::Tcp => &[],
            Self::Tls => &["--tls-self-signed"],
        }
    }
}

/// A server with a session.
struct House {
    place: Place,
    serve: Serve,
    id: String,
}

impl House {
    fn open(transport: Transport, create: &[&str]) -> Self {
        let house = Self::with(|place| Serve::start(place, transport.serve()), create);
        let url = &house.serve.url;
        assert!(url.starts_with(&format!("{}://", transport.name())), "{url}");
        house
    }

    fn with(start: impl FnOnce(&Place) -> Serve, create: &[&str]) -> Self {
        let place = Place::new();
        let serve = start(&place);
        let created = serve.output(&place, &[&["create", "--ttl", "600"], create].concat());
        assert!(created.status.success(), "{}", stderr(&created));
        let id = stdout(&created).trim().to_owned();
        Self { place, serve, id }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.serve.reached_by(self.place.command(arguments))
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.directory.path().join(name)
    }

    /// Writes what `ssh-config` prints. What is trusted over TLS is said in it.
    fn config(&self, arguments: &[&str]) -> PathBuf {
        let mut command = self.command(&[&["ssh-config"], arguments].concat());
        if let Some(certificate) = &self.serve.certificate {
            command.arg("--ca-file").arg(certificate);
        }
        let printed = command.output().unwrap();
        assert!(printed.status.success(), "{}", stderr(&printed));
        let path = self.path("ssh_config");
        fs::write(&path, &printed.stdout).unwrap();
        path
    }

    /// One of OpenSSH's programs with that configuration; `None` where it is not installed.
    fn openssh(&self, program: &str, arguments: &[&str]) -> Option<Command> {
        if !installed(program) {
            return None;
        }
        let config = self.path("ssh_config");
        if !config.exists() {
            self.config(&[&self.id]);
        }
        let mut command = self.serve.reached_by(self.place.program(program.as_ref(), &[]));
        command
            .env_remove("SSL_CERT_FILE")
            .arg("-F")
            .arg(config)
            .args(["-o", "BatchMode=yes"])
            .args(arguments);
        Some(command)
    }

    /// The name that `ssh-config` gives the session.
    fn host(&self) -> String {
        format!("sandbox-{}", &self.id[..8])
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let removed = self.output(&["rm", &self.id]);
        assert!(
            removed.status.success() || thread::panicking(),
            "{}",
            stderr(&removed)
        );
    }
}

/// A program that is ended with the test, whatever becomes of that.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_input(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut pipe, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feeding = thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

/// Bytes that tell where they were.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

#[track_caller]
fn assert_bytes(output: &Output, sent: &[u8]) {
    assert!(
        output.status.success() && output.stdout == sent,
        "{} bytes of {}: {}",
        output.stdout.len(),
        sent.len(),
        stderr(output)
    );
}

//! Processes outside of a sandbox, as the current user.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use sandbox_isolation::{Exit, ExitStatus, Process, Processes, Program, Signal, Spawn, Terminal};

const DEADLINE: Duration = Duration::from_secs(60);

struct Running {
    processes: Processes,
    process: Process,
    output: File,
}

impl Running {
    fn shell(script: &str) -> Self {
        let processes = Processes::unconfined().unwrap();
        let (output, input) = std::io::pipe().unwrap();
        let null = File::open("/dev/null").unwrap();
        let process = processes
            .spawn(&Spawn {
                program: Program::Path(Path::new("/bin/sh")),
                arg0: OsString::from("sh"),
                args: vec![OsString::from("-c"), OsString::from(script)],
                env: vec![(OsString::from("PATH"), OsString::from("/usr/bin:/bin"))],
                cwd: Path::new("/"),
                stdio: [null.as_fd(), input.as_fd(), input.as_fd()],
                controlling_terminal: false,
            })
            .unwrap();
        drop(input);
        Self {
            processes,
            process,
            output: File::from(std::os::fd::OwnedFd::from(output)),
        }
    }

    fn wait(&self) -> ExitStatus {
        let mut exits = Vec::new();
        eventually("the exit is reported", || {
            exits.extend(self.processes.reap());
            !exits.is_empty()
        });
        let [Exit { pid, status }] = exits[..] else {
            panic!("{exits:?}")
        };
        assert_eq!(pid, self.process.pid());
        status
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let mut byte = [0];
        while self.output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(char::from(byte[0]));
        }
        line
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn reports_output_and_exit_code() {
    let mut running = Running::shell("echo \"$0:$PATH:$(pwd)\"; exit 3");
    assert_eq!(running.rest(), "sh:/usr/bin:/bin:/\n");
    assert_eq!(running.wait(), ExitStatus::Code(3));
    assert!(
        running.process.signal(Signal::TERM).is_err(),
        "the id may be another's by now"
    );
}

#[test]
fn inherits_no_descriptor_and_no_variable() {
    let leak = rustix::io::fcntl_dupfd_cloexec(File::open("/").unwrap(), 40).unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let number = leak.as_raw_fd().to_string();
    let mut running = Running::shell("ls /proc/$$/fd | tr '\\n' ' '; env | sort | tr '\\n' ' '");
    let output = running.rest();
    assert!(output.starts_with("0 1 2 "), "{output}");
    assert!(!output.split(' ').any(|word| word == number), "{output}");
    assert!(!output.contains("CARGO"), "{output}");
    running.wait();
}

#[test]
fn a_missing_program_is_an_error_of_the_system() {
    let processes = Processes::unconfined().unwrap();
    let null = File::open("/dev/null").unwrap();
    let mut spawn = Spawn {
        program: Program::Path(Path::new("/nonexistent")),
        arg0: OsString::from("x"),
        args: Vec::new(),
        env: Vec::new(),
        cwd: Path::new("/"),
        stdio: [null.as_fd(); 3],
        controlling_terminal: false,
    };
    let error = processes.spawn(&spawn).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));

    spawn.program = Program::Path(Path::new("/bin/sh"));
    spawn.cwd = Path::new("/nonexistent");
    let error = processes.spawn(&spawn).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("working directory"), "{error}");

    spawn.args = vec![OsString::from("a\0b")];
    assert_eq!(
        processes.spawn(&spawn).unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
    assert!(processes.reap().is_empty());
}

#[test]
fn signals_reach_the_group_and_are_reported() {
    let mut running = Running::shell("sleep 1000 & echo ready; wait");
    assert_eq!(running.line(), "ready");
    running.process.signal(Signal::TERM).unwrap();
    assert_eq!(running.wait(), ExitStatus::Signal(Signal::TERM.as_raw()));
    assert_eq!(
        running.rest(),
        "",
        "the background process of the group has ended too"
    );
}

#[test]
fn starts_with_default_signals() {
    let mut running = Running::shell("trap - INT; kill -INT $$; echo survived");
    assert_eq!(running.rest(), "");
    assert_eq!(running.wait(), ExitStatus::Signal(Signal::INT.as_raw()));
}

#[test]
fn kills_whatever_tried_to_escape() {
    let script = "setsid sleep 1001 & (setsid sh -c 'sleep 1002 & sleep 1003' &) ; \
        env -i /bin/sh -c '(sleep 1004 &)'; echo ready; sleep 1005";
    let mut running = Running::shell(script);
    assert_eq!(running.line(), "ready");
    running.process.kill_all().unwrap();
    assert_eq!(running.wait(), ExitStatus::Signal(Signal::KILL.as_raw()));
    assert_eq!(running.rest(), "", "nobody holds the pipe any more");
}

#[test]
fn kills_what_outlived_the_process() {
    let mut running = Running::shell("(setsid sleep 1006 &) ; echo started");
    assert_eq!(running.line(), "started");
    assert_eq!(running.wait(), ExitStatus::Code(0));
    running.process.kill_all().unwrap();
    assert_eq!(running.rest(), "");
    eventually("the supervisor has ended too", || {
        running.processes.reap();
        format!("{:?}", running.processes).contains("running: 0")
    });
    running.process.kill_all().unwrap();
}

#[test]
fn a_terminal_controls_its_process() {
    let processes = Processes::unconfined().unwrap();
    let (controller, terminal) = Terminal::open(80, 24).unwrap();
    let process = processes
        .spawn(&Spawn {
            program: Program::Path(Path::new("/bin/sh")),
            arg0: OsString::from("sh"),
            args: vec![
                OsString::from("-c"),
                OsString::from("stty size; tty >/dev/null && sleep 1000"),
            ],
            env: vec![(OsString::from("PATH"), OsString::from("/usr/bin:/bin"))],
            cwd: Path::new("/"),
            stdio: [terminal.as_fd(); 3],
            controlling_terminal: true,
        })
        .unwrap();
    drop(terminal);
    let mut output = File::from(std::os::fd::OwnedFd::from(controller));
    let mut seen = [0; 7];
    output.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"24 80\r\n");
    std::io::Write::write_all(&mut output, b"\x03").unwrap();
    let mut exits = Vec::new();
    eventually("Ctrl-C ends it", || {
        exits.extend(processes.reap());
        !exits.is_empty()
    });
    assert_eq!(
        exits,
        [Exit {
            pid: process.pid(),
            status: ExitStatus::Signal(Signal::INT.as_raw())
        }]
    );
}

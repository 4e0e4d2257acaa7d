//! A small agent: PID 1 of the sandboxes of these tests, and how to talk to it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sandbox_isolation::{ExitStatus, Inside, Processes, Program, Spawn, Terminal};
use serde::{Deserialize, Serialize};

/// What to do inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// `bash -c TEXT`.
    Shell,
    /// The same, on a terminal.
    Terminal,
    /// `bash -c TEXT`, and everything it started is killed once it has written a line.
    ShellKilled,
    /// This program itself, with the arguments `__probe TEXT`.
    Own,
    /// Nothing: give back what the launcher sent.
    Payload,
    /// What PID 1 finds about itself in `/proc/self/TEXT`.
    Agent,
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    kind: Kind,
    text: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) output: String,
    /// The exit code, or the signal with 1000 added.
    pub(crate) status: i32,
}

pub(crate) fn ask(socket: &Path, kind: Kind, text: &str) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    serde_json::to_writer(
        &stream,
        &Request {
            kind,
            text: text.to_owned(),
        },
    )?;
    stream.write_all(b"\n")?;
    Ok(serde_json::from_reader(stream)?)
}

#[derive(Default)]
struct Exits {
    known: Mutex<HashMap<u32, ExitStatus>>,
    changed: Condvar,
}

impl Exits {
    fn wait(&self, pid: u32) -> ExitStatus {
        let mut known = self.known.lock().unwrap();
        loop {
            if let Some(status) = known.remove(&pid) {
                return status;
            }
            known = self.changed.wait(known).unwrap();
        }
    }
}

pub(crate) fn run(inside: Inside) -> ExitCode {
    let Inside {
        payload,
        listener,
        lifeline,
        processes,
        lease: _lease,
    } = inside;
    let exits = Arc::new(Exits::default());
    std::thread::spawn({
        let (processes, exits) = (processes.clone(), Arc::clone(&exits));
        move || {
            loop {
                let ended = processes.reap();
                if !ended.is_empty() {
                    exits
                        .known
                        .lock()
                        .unwrap()
                        .extend(ended.into_iter().map(|exit| (exit.pid, exit.status)));
                    exits.changed.notify_all();
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    std::thread::spawn(move || {
        if matches!(File::from(lifeline).read(&mut [0]), Ok(0) | Err(_)) {
            std::process::exit(0);
        }
    });
    let payload = String::from_utf8(payload).unwrap();
    for stream in UnixListener::from(listener).incoming() {
        let (processes, exits, payload) = (processes.clone(), Arc::clone(&exits), payload.clone());
        let stream = stream.unwrap();
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let request: Request = serde_json::from_str(&line).unwrap();
            let answer = match request.kind {
                Kind::Payload => Answer {
                    output: payload,
                    status: 0,
                },
                Kind::Agent => about_myself(&request.text),
                _ => start(&processes, &exits, &request),
            };
            serde_json::to_writer(&stream, &answer).unwrap();
        });
    }
    ExitCode::SUCCESS
}

fn about_myself(what: &str) -> Answer {
    let descriptors = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
    };
    let output = match what {
        "fd" => {
            let target = |path| std::fs::read_link(path).unwrap_or_default().display().to_string() + "\n";
            descriptors().map(target).collect()
        }
        // What lies above the directories that are open.
        "above" => descriptors().filter_map(|path| above(&path)).collect(),
        file => std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default(),
    };
    Answer { output, status: 0 }
}

fn above(descriptor: &Path) -> Option<String> {
    let (here, above) = (
        std::fs::metadata(descriptor).ok()?,
        std::fs::metadata(descriptor.join("..")).ok()?,
    );
    let same = (here.dev(), here.ino()) == (above.dev(), above.ino());
    // `/proc/self/fd` itself, which this is reading, has something above it.
    let ours = std::fs::read_link(descriptor).is_ok_and(|target| target.starts_with("/proc"));
    (!same && !ours).then(|| format!("{descriptor:?}\n"))
}

fn start(processes: &Processes, exits: &Exits, request: &Request) -> Answer {
    let null = File::open("/dev/null").unwrap();
    let (output, input): (OwnedFd, OwnedFd) = if request.kind == Kind::Terminal {
        let (controller, terminal) = Terminal::open(80, 24).unwrap();
        (controller.into(), terminal)
    } else {
        let (output, input) = std::io::pipe().unwrap();
        (output.into(), input.into())
    };
    let terminal = request.kind == Kind::Terminal;
    let own = request.kind == Kind::Own;
    let mut spawn = Spawn {
        program: if own {
            Program::Own
        } else {
            Program::Path(Path::new("/bin/bash"))
        },
        arg0: OsString::from("test"),
        args: vec![
            OsString::from(if own { "__probe" } else { "-c" }),
            OsString::from(&request.text),
        ],
        env: vec![
            (
                OsString::from("PATH"),
                OsString::from("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
            ),
            (OsString::from("HOME"), OsString::from("/home/sandbox")),
        ],
        cwd: Path::new("/workspace"),
        stdio: [null.as_fd(), input.as_fd(), input.as_fd()],
        controlling_terminal: terminal,
    };
    if terminal {
        spawn.stdio = [input.as_fd(); 3];
    }
    let process = match processes.spawn(&spawn) {
        Ok(process) => process,
        Err(error) => {
            return Answer {
                output: error.to_string(),
                status: -1,
            };
        }
    };
    drop(input);
    let mut output = BufReader::new(File::from(output));
    let mut seen = Vec::new();
    if request.kind == Kind::ShellKilled {
        output.read_until(b'\n', &mut seen).unwrap();
        process.kill_all().unwrap();
    }
    // A terminal ends with an error.
    let _ = output.read_to_end(&mut seen);
    let status = match exits.wait(process.pid()) {
        ExitStatus::Code(code) => code.into(),
        ExitStatus::Signal(signal) => 1000 + signal,
    };
    Answer {
        output: String::from_utf8_lossy(&seen).into_owned(),
        status,
    }
}

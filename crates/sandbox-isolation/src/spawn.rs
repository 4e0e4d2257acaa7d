//! One process from its description to its execution.
//!
//! Everything that allocates happens before the fork. The child then does nothing but system calls, in an order in
//! which each still has the rights it needs, and reports the first failure through a pipe that execution closes.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{Errno, FdFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{Gid, Uid};

use crate::own::{Execution, OwnProgram};
use crate::process::{Program, Spawn};
use crate::scope::Scope;
use crate::seccomp;
use crate::subreaper::{self, START_LIMIT, Supervisor};
use crate::sys::{self, CStrings};

/// The user a process runs as, if not as its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

/// A process ready to be started.
pub(crate) struct Plan<'a> {
    program: Executable<'a>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: CString,
    stdio: [OwnedFd; 3],
    controlling_terminal: bool,
    identity: Option<Identity>,
    /// The control group to be born in; without one the process runs under a supervisor.
    birthplace: Option<BorrowedFd<'a>>,
    /// Whether it is to be kept from what PID 1 may do.
    confined: bool,
}

enum Executable<'a> {
    Path(CString),
    Own(Execution<'a>),
}

/// What a start has made.
pub(crate) struct Started {
    /// The child of this process.
    pub(crate) direct: Pid,
    /// The process itself: the same, or the child of the supervisor.
    pub(crate) main: Pid,
    pub(crate) supervisor: Option<Supervisor>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        spawn: &Spawn<'_>,
        own: &'a OwnProgram,
        identity: Option<Identity>,
        scope: &'a Scope,
        confined: bool,
    ) -> io::Result<Self> {
        let (program, before) = match spawn.program {
            Program::Path(path) => (Executable::Path(c_string(path.as_os_str())?), None),
            Program::Own => {
                let (execution, before) = own.execution()?;
                (Executable::Own(execution), before)
            }
        };
        // A loader gives the program the path that it was given as the program's name.
        let name = match &before {
            Some(before) => before.as_slice(),
            None => std::slice::from_ref(&spawn.arg0),
        };
        let birthplace = match scope {
            Scope::Cgroup(cgroup) => Some(cgroup.directory()),
            Scope::Subreaper => None,
        };
        let [stdin, stdout, stderr] = spawn.stdio;
        Ok(Self {
            program,
            arguments: name
                .iter()
                .chain(&spawn.args)
                .map(|arg| c_string(arg))
                .collect::<Result<_, _>>()?,
            environment: spawn
                .env
                .iter()
                .map(|(name, value)| variable(name, value))
                .collect::<Result<_, _>>()?,
            directory: c_string(spawn.cwd.as_os_str())?,
            stdio: [above_stdio(stdin)?, above_stdio(stdout)?, above_stdio(stderr)?],
            controlling_terminal: spawn.controlling_terminal,
            identity,
            birthplace,
            confined,
        })
    }

    /// Starts the process and waits until it executes its program.
    pub(crate) fn start(&self) -> io::Result<Started> {
        let arguments = CStrings::new(self.arguments.iter().map(CString::as_c_str));
        let environment = CStrings::new(self.environment.iter().map(CString::as_c_str));
        let (failure, report) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let run = || self.run(&arguments, &environment, report.as_fd());

        let started = match self.birthplace {
            Some(group) => fork_directly(group, run)?,
            None => fork_supervised(run)?,
        };
        drop(report);
        match await_execution(&failure) {
            Ok(()) => Ok(started),
            Err(error) => {
                started.abandon();
                Err(error)
            }
        }
    }

    /// In the child: becomes the program, or reports why not.
    fn run(&self, arguments: &CStrings<'_>, environment: &CStrings<'_>, report: BorrowedFd<'_>) -> i32 {
        let Err((step, error)) = self.try_run(arguments, environment);
        let _ = rustix::io::write(report, &encode(step, error));
        127
    }

    fn try_run(
        &self,
        arguments: &CStrings<'_>,
        environment: &CStrings<'_>,
    ) -> Result<Infallible, (Step, Errno)> {
        rustix::process::setsid().map_err(at(Step::Session))?;
        let [stdin, stdout, stderr] = &self.stdio;
        rustix::stdio::dup2_stdin(stdin).map_err(at(Step::Stdio))?;
        rustix::stdio::dup2_stdout(stdout).map_err(at(Step::Stdio))?;
        rustix::stdio::dup2_stderr(stderr).map_err(at(Step::Stdio))?;
        sys::close_on_exec_from(3).map_err(at(Step::Stdio))?;
        if self.controlling_terminal {
            rustix::process::ioctl_tiocsctty(stdin).map_err(at(Step::Terminal))?;
        }
        if let Some(identity) = self.identity {
            become_user(identity).map_err(at(Step::Identity))?;
        }
        rustix::thread::set_no_new_privs(true).map_err(at(Step::Identity))?;
        if self.confined {
            seccomp::confine().map_err(at(Step::Filter))?;
        }
        rustix::process::chdir(self.directory.as_c_str()).map_err(at(Step::Directory))?;
        sys::reset_signals();
        let error = match &self.program {
            Executable::Path(path) => sys::execute_path(path, arguments, environment),
            Executable::Own(Execution::Direct(fd)) => sys::execute_fd(*fd, arguments, environment),
            Executable::Own(Execution::Loaded { loader, executable }) => {
                rustix::io::fcntl_setfd(executable, FdFlags::empty()).map_err(at(Step::Program))?;
                sys::execute_path(loader, arguments, environment)
            }
        };
        Err((Step::Program, error))
    }
}

/// From PID 1's user to the user of the sandbox. Giving up the last user id 0 gives up every capability with it.
fn become_user(identity: Identity) -> Result<(), Errno> {
    /// Well above PID 1, so that the kernel ends any process of the user before it ends the sandbox.
    const OOM_SCORE: &[u8] = b"800";
    // `/proc/self` belongs to this user only while the process is dumpable, and changing the user ends that again.
    // In between the user of the sandbox has no access either: it is another user than this one.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    let score = rustix::fs::open(c"/proc/self/oom_score_adj", flags, rustix::fs::Mode::empty())?;
    rustix::io::write(&score, OOM_SCORE)?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(identity.gid, identity.gid, identity.gid)?;
    rustix::thread::set_thread_res_uid(identity.uid, identity.uid, identity.uid)
}

#[allow(unsafe_code)]
fn fork_directly(group: BorrowedFd<'_>, run: impl FnOnce() -> i32) -> io::Result<Started> {
    // SAFETY: `Plan::run` only makes system calls.
    let pid = unsafe { sys::fork_into(group, run)? };
    Ok(Started {
        direct: pid,
        main: pid,
        supervisor: None,
    })
}

#[allow(unsafe_code)]
fn fork_supervised(run: impl FnOnce() -> i32) -> io::Result<Started> {
    let (control, theirs) = subreaper::control_pair()?;
    let parent = rustix::process::getpid();
    // SAFETY: the supervisor and `Plan::run` only make system calls, and the child of a fork owns nothing here: the
    // values it sees belong to frames it never returns to.
    let direct = unsafe { sys::fork(|| subreaper::supervise(theirs.as_fd(), parent, run))? };
    drop(theirs);
    match Supervisor::started(control) {
        Ok((supervisor, main)) => Ok(Started {
            direct,
            main,
            supervisor: Some(supervisor),
        }),
        Err(error) => {
            end_child(direct);
            Err(error)
        }
    }
}

impl Started {
    /// Ends what never executed its program.
    fn abandon(self) {
        // First the process, while its supervisor keeps its id from being used again, then the supervisor.
        let _ = rustix::process::kill_process(self.main, Signal::KILL);
        end_child(self.direct);
    }
}

fn end_child(pid: Pid) {
    let _ = rustix::process::kill_process(pid, Signal::KILL);
    let _ = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
}

/// Waits until the pipe closes, which is success, or brings a failure.
fn await_execution(failure: &OwnedFd) -> io::Result<()> {
    // As for a supervisor, nothing on the way to execution waits for anybody.
    let limit = Timespec::try_from(START_LIMIT).map_err(io::Error::other)?;
    let mut ready = [PollFd::new(failure, PollFlags::IN)];
    if rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, Some(&limit)))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut message = [0; FAILURE_LENGTH];
    match rustix::io::retry_on_intr(|| rustix::io::read(failure, &mut message))? {
        0 => Ok(()),
        _ => Err(decode(message)),
    }
}

/// The steps between fork and execution, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    Session,
    Stdio,
    Terminal,
    Identity,
    Filter,
    Directory,
    Program,
}

impl Step {
    const ALL: [Self; 7] = [
        Self::Session,
        Self::Stdio,
        Self::Terminal,
        Self::Identity,
        Self::Filter,
        Self::Directory,
        Self::Program,
    ];

    fn description(self) -> &'static str {
        match self {
            Self::Session => "start a session",
            Self::Stdio => "set up standard input and output",
            Self::Terminal => "take the controlling terminal",
            Self::Identity => "become the user of the sandbox",
            Self::Filter => "install the system call filter",
            Self::Directory => "enter the working directory",
            Self::Program => "execute the program",
        }
    }
}

const FAILURE_LENGTH: usize = 5;

fn encode(step: Step, error: Errno) -> [u8; FAILURE_LENGTH] {
    let [a, b, c, d] = error.raw_os_error().to_le_bytes();
    [step as u8, a, b, c, d]
}

fn decode([step, a, b, c, d]: [u8; FAILURE_LENGTH]) -> io::Error {
    let error = io::Error::from_raw_os_error(i32::from_le_bytes([a, b, c, d]));
    match Step::ALL.get(usize::from(step)) {
        // The plain error of the system: it is what the caller asked for that failed.
        Some(Step::Program) | None => error,
        Some(step) => io::Error::new(error.kind(), format!("cannot {}: {error}", step.description())),
    }
}

fn at(step: Step) -> impl FnOnce(Errno) -> (Step, Errno) {
    move |error| (step, error)
}

/// A copy that the three descriptors of standard input and output cannot overwrite.
fn above_stdio(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

fn c_string(value: &OsStr) -> io::Result<CString> {
    Ok(CString::new(value.as_bytes())?)
}

fn variable(name: &OsStr, value: &OsStr) -> io::Result<CString> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a variable's name is empty or holds an equals sign",
        ));
    }
    Ok(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_pipe() {
        for step in Step::ALL {
            let error = decode(encode(step, Errno::NOENT));
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert_eq!(error.raw_os_error().is_some(), step == Step::Program, "{error}");
        }
    }
}

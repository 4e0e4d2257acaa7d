//! Processes of the sandbox's user: starting, signalling, killing and reaping them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use crate::own::OwnProgram;
use crate::scope::{Scope, Scopes};
use crate::spawn::{Identity, Plan, Started};
use crate::subreaper::{self, Supervisor};
use crate::sys;

/// What a [`Spawn`] executes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Program<'a> {
    /// A file, as an absolute path; `PATH` is not searched.
    Path(&'a Path),
    /// The executable this process runs, whether or not it can be reached by a path. Inside a sandbox it is executed
    /// through a read-only mount, so that no process can write to it through `/proc/PID/exe`.
    Own,
}

/// A process to start.
#[derive(Clone, Debug)]
pub struct Spawn<'a> {
    /// What to execute.
    pub program: Program<'a>,
    /// The program's name as it sees it (`argv[0]`).
    pub arg0: OsString,
    /// The arguments after `arg0`.
    pub args: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The directory to start in, entered as the user of the sandbox.
    pub cwd: &'a Path,
    /// Standard input, output and error.
    pub stdio: [BorrowedFd<'a>; 3],
    /// Whether standard input, a terminal, becomes the controlling terminal.
    pub controlling_terminal: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code.
    Code(u8),
    /// This signal ended it (the number, since real-time signals have no name).
    Signal(i32),
}

/// A process made by [`Processes::spawn`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The process, as [`Process::pid`] named it.
    pub pid: u32,
    /// How it ended.
    pub status: ExitStatus,
}

/// Starts and reaps processes.
///
/// Each process has its own session and process group and its own *kill scope*, which holds everything the process
/// ever starts: a cgroup where the host gives one, else a subreaper. Clones share one table.
#[derive(Clone)]
pub struct Processes(Arc<Inner>);

struct Inner {
    /// Whether this is PID 1 of a sandbox, which has to reap orphans and may signal every process it sees.
    init: bool,
    identity: Option<Identity>,
    own: OwnProgram,
    scopes: Scopes,
    children: Mutex<HashMap<Pid, Child>>,
    /// Ends that were learned of while something was started, for the next [`Processes::reap`].
    learned: Mutex<Vec<Exit>>,
}

/// A direct child: the process itself, or the supervisor it runs under.
struct Child {
    main: Pid,
    supervisor: Option<Supervisor>,
    scope: Scope,
}

impl Processes {
    /// Starts processes as the current user and without any sandbox: for testing an agent outside of one.
    ///
    /// Only processes started through this value are reaped, so it gets along with other users of child processes.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted.
    pub fn unconfined() -> io::Result<Self> {
        Ok(Self::new(false, None, sys::own_executable()?, Scopes::Subreaper))
    }

    pub(crate) fn new(
        init: bool,
        identity: Option<Identity>,
        own: impl Into<OwnProgram>,
        scopes: Scopes,
    ) -> Self {
        Self(Arc::new(Inner {
            init,
            identity,
            own: own.into(),
            scopes,
            children: Mutex::default(),
            learned: Mutex::default(),
        }))
    }

    /// Starts a process.
    ///
    /// It runs as the user of the sandbox, without capabilities, with every signal at its default and none blocked,
    /// and with no file descriptor but the three of [`Spawn::stdio`].
    ///
    /// # Errors
    ///
    /// The failure of the first step that fails, up to and including the execution of the program: an error of
    /// kind `NotFound` where there is no such program. Nothing is left running then. `InvalidInput` if a string
    /// holds a NUL byte.
    pub fn spawn(&self, spawn: &Spawn<'_>) -> io::Result<Process> {
        let inner = &*self.0;
        let scope = inner.scopes.create()?;
        let plan = Plan::new(spawn, &inner.own, inner.identity, &scope, inner.init)?;
        // Held across the fork: a child that ends at once must be in the table before anybody reaps it.
        let mut children = self.children();
        let Started {
            direct,
            main,
            supervisor,
        } = match self.start(&plan, &mut children) {
            Ok(started) => started,
            Err(error) => {
                inner.scopes.retire(scope);
                return Err(error);
            }
        };
        children.insert(
            direct,
            Child {
                main,
                supervisor,
                scope: scope.clone(),
            },
        );
        Ok(Process {
            processes: self.clone(),
            direct,
            main,
            scope,
        })
    }

    /// Starts what was planned. Processes that were killed a moment ago count until they are reaped, so where there are
    /// too many this reaps and tries again, for a moment.
    fn start(&self, plan: &Plan<'_>, children: &mut HashMap<Pid, Child>) -> io::Result<Started> {
        const TRIES: usize = 50;
        const PAUSE: Duration = Duration::from_millis(2);
        for _ in 1..TRIES {
            match plan.start() {
                Err(error) if self.0.init && error.kind() == io::ErrorKind::WouldBlock => {
                    let exits = self.collect(children);
                    self.learned().extend(exits);
                    std::thread::sleep(PAUSE);
                }
                outcome => return outcome,
            }
        }
        plan.start()
    }

    /// Reaps whatever has ended, without waiting, and returns those of them that [`spawn`](Self::spawn) started.
    ///
    /// To be called whenever SIGCHLD arrives. Inside a sandbox it reaps orphans too, without reporting them.
    pub fn reap(&self) -> Vec<Exit> {
        let mut children = self.children();
        let mut exits = std::mem::take(&mut *self.learned());
        exits.extend(self.collect(&mut children));
        drop(children);
        self.0.scopes.remove_retired();
        exits
    }

    fn collect(&self, children: &mut HashMap<Pid, Child>) -> Vec<Exit> {
        let mut exits = Vec::new();
        for child in children.values_mut() {
            exits.extend(child.take_report());
        }
        if self.0.init {
            while let Ok(Some((pid, status))) = retry(|| rustix::process::wait(WaitOptions::NOHANG)) {
                if let Some(child) = children.remove(&pid) {
                    exits.extend(self.end(child, status));
                }
            }
        } else {
            for pid in children.keys().copied().collect::<Vec<_>>() {
                if let Ok(Some((_, status))) =
                    retry(|| rustix::process::waitpid(Some(pid), WaitOptions::NOHANG))
                    && let Some(child) = children.remove(&pid)
                {
                    exits.extend(self.end(child, status));
                }
            }
        }
        exits
    }

    /// A direct child was reaped: what is there to report?
    fn end(&self, mut child: Child, status: WaitStatus) -> Option<Exit> {
        let report = child.take_report();
        let reported = report.is_some() || child.is_reported();
        self.0.scopes.retire(child.scope);
        if reported {
            return report;
        }
        if child.supervisor.is_some() && self.0.init {
            // Somebody killed the supervisor; what it watched over are now orphans like any other. Nothing but
            // ending all of them keeps the promise that a scope cannot be left.
            let _ = sys::kill_everything_else(Signal::KILL);
        }
        Some(Exit {
            pid: pid_number(child.main),
            status: status.into(),
        })
    }

    fn learned(&self) -> MutexGuard<'_, Vec<Exit>> {
        self.0.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn children(&self) -> MutexGuard<'_, HashMap<Pid, Child>> {
        self.0.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes")
            .field("running", &self.children().len())
            .finish_non_exhaustive()
    }
}

impl Child {
    fn take_report(&mut self) -> Option<Exit> {
        let status = self.supervisor.as_mut()?.take_report()?;
        Some(Exit {
            pid: pid_number(self.main),
            status,
        })
    }

    fn is_reported(&self) -> bool {
        self.supervisor.as_ref().is_some_and(Supervisor::has_reported)
    }
}

/// A process started by [`Processes::spawn`], and everything it started in turn. Dropping this changes nothing.
pub struct Process {
    processes: Processes,
    direct: Pid,
    main: Pid,
    scope: Scope,
}

impl Process {
    /// Its process id, which is the id of its process group and session too.
    pub fn pid(&self) -> u32 {
        pid_number(self.main)
    }

    /// Sends a signal to its process group.
    ///
    /// # Errors
    ///
    /// `ESRCH` once [`Processes::reap`] has reported its end, since the id may be another's by then.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // The lock keeps it from being reaped, and its id therefore from being used again.
        let children = self.processes.children();
        match children.get(&self.direct) {
            Some(child) if child.main == self.main && !child.is_reported() => {
                Ok(rustix::process::kill_process_group(self.main, signal)?)
            }
            _ => Err(Errno::SRCH.into()),
        }
    }

    /// Kills it and everything it ever started, also what has left its session or was started by something that has
    /// ended. Works after its own end as well, and does nothing if nothing is left.
    ///
    /// When this returns the kill is certain, but the processes may still be on their way out.
    ///
    /// # Errors
    ///
    /// The kernel's, or `TimedOut` if outside a sandbox something forks faster than it can be killed.
    pub fn kill_all(&self) -> io::Result<()> {
        match &self.scope {
            Scope::Cgroup(cgroup) => cgroup.kill(),
            Scope::Subreaper => {
                let children = self.processes.children();
                match children.get(&self.direct) {
                    Some(child) if child.main == self.main => {
                        subreaper::kill_below(self.direct, self.processes.0.init)
                    }
                    // The supervisor ends after the last of its processes.
                    _ => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

impl From<WaitStatus> for ExitStatus {
    fn from(status: WaitStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Code(code as u8),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

/// A process id that came from outside: `Pid::from_raw` panics if it is negative.
pub(crate) fn pid_from(number: i32) -> Option<Pid> {
    Pid::from_raw(number.max(0))
}

pub(crate) fn pid_number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

fn retry<T>(call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    rustix::io::retry_on_intr(call)
}

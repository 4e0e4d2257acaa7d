//! The kill scope where there is no cgroup: a process that inherits every orphan of what it started.
//!
//! The supervisor is dumb on purpose. It starts the process, reports its end, reaps until nothing is left and exits.
//! Killing is done from PID 1, which no process of the sandbox can stop: it looks for the supervisor's descendants.
//! A process can leave its parent, its group and its session, but not its subreaper.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::Timeout;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::process::{ExitStatus, pid_from};
use crate::sys;

/// The longest wait for a process to be started.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(20);

/// What a supervisor sends: first the process id it started (or a negative error number), later how that ended.
const START_LENGTH: usize = 4;
const END_LENGTH: usize = 2;
const EXITED: u8 = 0;
const SIGNALLED: u8 = 1;

/// PID 1's end of a supervisor.
pub(crate) struct Supervisor {
    control: OwnedFd,
    reported: bool,
}

impl Supervisor {
    /// Waits for the first message: the id of the supervised process.
    pub(crate) fn started(control: OwnedFd) -> io::Result<(Self, Pid)> {
        // The supervisor waits for nobody, except where its user, who is the sandbox's, stops it.
        rustix::net::sockopt::set_socket_timeout(&control, Timeout::Recv, Some(START_LIMIT))?;
        let mut message = [0; START_LENGTH];
        let (length, _) =
            rustix::io::retry_on_intr(|| rustix::net::recv(&control, &mut message, RecvFlags::empty()))?;
        if length != START_LENGTH {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let number = i32::from_le_bytes(message);
        match pid_from(number) {
            Some(pid) => Ok((
                Self {
                    control,
                    reported: false,
                },
                pid,
            )),
            _ => Err(io::Error::from_raw_os_error(number.saturating_neg())),
        }
    }

    /// How the supervised process ended, once. Until this returns it the process is kept as a zombie, so that its id
    /// cannot be another's.
    pub(crate) fn take_report(&mut self) -> Option<ExitStatus> {
        if self.reported {
            return None;
        }
        let mut message = [0; END_LENGTH];
        let (length, _) = rustix::net::recv(&self.control, &mut message, RecvFlags::DONTWAIT).ok()?;
        if length != END_LENGTH {
            return None;
        }
        self.reported = true;
        let _ = rustix::net::send(&self.control, &[0], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        let [kind, number] = message;
        Some(if kind == EXITED {
            ExitStatus::Code(number)
        } else {
            ExitStatus::Signal(number.into())
        })
    }

    pub(crate) fn has_reported(&self) -> bool {
        self.reported
    }
}

/// The supervisor itself, in a process just forked: starts `main` in a child of its own.
///
/// # Safety
///
/// The caller is the child of a fork and owns nothing; `main` is async-signal-safe.
#[allow(unsafe_code)]
pub(crate) unsafe fn supervise(control: BorrowedFd<'_>, parent: Pid, main: impl FnOnce() -> i32) -> i32 {
    // SAFETY: what the caller vouches for.
    let outcome = unsafe { start(control, main) }.and_then(|main| reap_until_empty(control, parent, main));
    i32::from(outcome.is_err())
}

/// # Safety
///
/// As [`supervise`].
#[allow(unsafe_code)]
unsafe fn start(control: BorrowedFd<'_>, main: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    let report = |number: i32| rustix::net::send(control, &number.to_le_bytes(), SendFlags::NOSIGNAL);
    // Out of the session of PID 1, and therefore not reached by signals to anybody's process group.
    rustix::process::setsid()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // SAFETY: `main` is async-signal-safe.
    let main = match unsafe { sys::fork(main) } {
        Ok(main) => main,
        Err(error) => {
            report(-error.raw_os_error())?;
            return Err(error);
        }
    };
    // The process's pipes must close when it closes them, so nobody else may hold them.
    // SAFETY: nothing is owned here.
    unsafe { sys::close_all_but(control)? };
    report(main.as_raw_nonzero().get())?;
    Ok(main)
}

fn reap_until_empty(control: BorrowedFd<'_>, parent: Pid, main: Pid) -> Result<(), Errno> {
    loop {
        let child = match sys::next_dead_child() {
            Ok(child) => child,
            Err(Errno::INTR) => continue,
            Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error),
        };
        if child.pid == main {
            let kind = if child.code == libc::CLD_EXITED {
                EXITED
            } else {
                SIGNALLED
            };
            rustix::net::send(control, &[kind, child.status as u8], SendFlags::NOSIGNAL)?;
            let _ = rustix::process::kill_process(parent, Signal::CHILD);
            let mut acknowledged = [0];
            rustix::io::retry_on_intr(|| rustix::net::recv(control, &mut acknowledged, RecvFlags::empty()))?;
        }
        rustix::process::waitpid(Some(child.pid), WaitOptions::empty())?;
    }
}

/// How many times the descendants are looked for and killed before the world is stopped for it.
const ROUNDS: usize = 20;

/// Kills every descendant of `supervisor`, but not itself.
///
/// `world` says whether every process this process may signal belongs to the sandbox, so that all of them may be
/// stopped for a moment if the descendants fork faster than they are found.
pub(crate) fn kill_below(supervisor: Pid, world: bool) -> io::Result<()> {
    let mut hunt = Hunt::below(supervisor);
    for _ in 0..ROUNDS {
        if hunt.is_over()? {
            return Ok(());
        }
        std::thread::yield_now();
    }
    if world {
        sys::kill_everything_else(Signal::STOP)?;
    }
    let killed = hunt.go_on_to_the_end();
    if world {
        // Processes the user had stopped run again too: better than a scope that cannot be killed.
        sys::kill_everything_else(Signal::CONT)?;
    }
    killed
}

/// Looks for the descendants of a process, again and again, and kills those that are found.
///
/// A look is no single moment. A process that is listed may have started another and ended before it is looked at, and
/// what it has started is not listed. So nothing alive proves nothing, unless all that was listed and is dead had been
/// seen dead before: what was alive when this list was made was then looked at alive.
struct Hunt {
    supervisor: Pid,
    /// Who was listed and dead the last time.
    dead: Option<HashSet<Pid>>,
}

impl Hunt {
    fn below(supervisor: Pid) -> Self {
        Self {
            supervisor,
            dead: None,
        }
    }

    fn go_on_to_the_end(&mut self) -> io::Result<()> {
        const LIMIT: Duration = Duration::from_secs(5);
        let deadline = Instant::now() + LIMIT;
        while !self.is_over()? {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Kills the descendants that there are; whether it is certain that there were none.
    fn is_over(&mut self) -> io::Result<bool> {
        let Look { living, dead } = Look::now()?;
        let mut below = vec![self.supervisor];
        let mut next = 0;
        while let Some(&parent) = below.get(next) {
            below.extend(
                living
                    .iter()
                    .filter(|process| process.parent == parent)
                    .map(|process| process.pid),
            );
            next += 1;
        }
        for pid in below.iter().skip(1) {
            let _ = rustix::process::kill_process(*pid, Signal::KILL);
        }
        let seen_dead = self.dead.replace(dead);
        let known = self
            .dead
            .as_ref()
            .zip(seen_dead)
            .is_some_and(|(now, before)| now.is_subset(&before));
        Ok(below.len() == 1 && known)
    }
}

/// All processes that were listed, as they were when they were looked at.
struct Look {
    living: Vec<Living>,
    dead: HashSet<Pid>,
}

struct Living {
    pid: Pid,
    parent: Pid,
}

impl Look {
    fn now() -> io::Result<Self> {
        let mut look = Self {
            living: Vec::new(),
            dead: HashSet::new(),
        };
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name
                .to_str()
                .and_then(|name| name.parse().ok())
                .and_then(pid_from)
            else {
                continue;
            };
            let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            match stat.ok().as_deref().and_then(parent_if_alive) {
                Some(parent) => look.living.push(Living { pid, parent }),
                None => drop(look.dead.insert(pid)),
            }
        }
        Ok(look)
    }
}

/// Reads the parent out of a `stat` file, unless the process is a zombie.
fn parent_if_alive(stat: &[u8]) -> Option<Pid> {
    // The name is in parentheses and may hold anything, parentheses and spaces included.
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = pid_from(fields.next()?.parse().ok()?)?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

/// A pair of sockets that keeps message boundaries.
pub(crate) fn control_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_parent_past_a_hostile_name() {
        let stat = b"12 (a) Z 1 (b) S 77 12 12 0";
        assert_eq!(parent_if_alive(stat), Pid::from_raw(77));
    }

    #[test]
    fn ignores_zombies_and_nonsense() {
        assert!(parent_if_alive(b"12 (a) Z 77 12").is_none());
        assert!(parent_if_alive(b"12 (a").is_none());
        assert!(parent_if_alive(b"12 (a) S x").is_none());
        assert!(parent_if_alive(b"").is_none());
    }
}

//! The init process of a sandbox.
//!
//! Most sandboxes are idle most of the time, so nothing is built before somebody connects: until then PID 1
//! sleeps in a plain `poll`, without a runtime, without parsed keys. It goes back there when the last
//! connection is gone and no process is left, and keeps no memory of what was there.

use std::{
    io,
    ops::ControlFlow,
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{WaitId, WaitIdOptions, waitid},
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use sandbox_isolation::{Inside, Processes, give_back_free_memory};
use tokio::net::unix::pipe::Receiver;

use crate::{Agent, AgentConfig, Place, heap};

/// How late the end may come while there are connections.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the sandbox until its time is over or its launcher gives it up. Returning ends every process in it.
pub(crate) fn run(inside: Inside) -> ExitCode {
    match serve(inside) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody inside can be told; the server sees the sandbox end.
        Err(error) => {
            tracing::error!(%error, "the agent failed");
            ExitCode::FAILURE
        }
    }
}

fn serve(inside: Inside) -> io::Result<()> {
    let Inside {
        payload,
        listener,
        lifeline,
        processes,
        lease: _lease,
    } = inside;
    let config: AgentConfig = serde_json::from_slice(&payload)?;
    drop(payload);
    let listener = UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    let mut watch = Watch {
        deadline: deadline(config.expires_at)?,
        lifeline: Some(lifeline),
    };
    loop {
        if watch.sleep(&listener)?.is_break()
            || serve_while_busy(&config, &processes, &listener, &mut watch)?.is_break()
        {
            return Ok(());
        }
        give_back_free_memory();
    }
}

/// What ends a sandbox.
struct Watch {
    /// Readable when the time is over.
    deadline: OwnedFd,
    /// Readable with nothing to read when the launcher is gone; with a byte, when it lets go.
    lifeline: Option<OwnedFd>,
}

/// A timer on the wall clock, so that neither a suspended machine nor a corrected clock prolongs anything.
fn deadline(expires_at: u64) -> io::Result<OwnedFd> {
    let timer = timerfd_create(
        TimerfdClockId::Realtime,
        TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
    )?;
    // Zero would disarm it.
    let seconds = i64::try_from(expires_at).unwrap_or(i64::MAX).max(1);
    let never = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let at = Itimerspec {
        it_interval: never,
        it_value: Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        },
    };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &at)?;
    Ok(timer)
}

impl Watch {
    /// Waits, without any runtime, until somebody connects (to continue) or the sandbox has to end (to
    /// break).
    fn sleep(&mut self, listener: &UnixListener) -> io::Result<ControlFlow<()>> {
        loop {
            let mut events = vec![
                PollFd::new(&self.deadline, PollFlags::IN),
                PollFd::new(listener, PollFlags::IN),
            ];
            events.extend(
                self.lifeline
                    .as_ref()
                    .map(|lifeline| PollFd::new(lifeline, PollFlags::IN)),
            );
            match poll(&mut events, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let mut happened = events.iter().map(|event| !event.revents().is_empty());
            let (over, connection, lifeline) = (
                happened.next() == Some(true),
                happened.next() == Some(true),
                happened.next() == Some(true),
            );
            if over || lifeline && self.launcher_is_gone() {
                return Ok(ControlFlow::Break(()));
            }
            if connection {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// The same, within a runtime, for the end only.
    async fn end(&mut self) -> io::Result<()> {
        while let Some(lifeline) = &self.lifeline {
            let lifeline = Receiver::from_owned_fd(lifeline.try_clone()?)?;
            tokio::select! {
                over = self.over() => return over,
                told = lifeline.readable() => told?,
            }
            if self.launcher_is_gone() {
                return Ok(());
            }
        }
        self.over().await
    }

    /// Waits until the time is over, by looking: the runtime's own timers know nothing of the wall clock.
    async fn over(&self) -> io::Result<()> {
        loop {
            let mut event = [PollFd::new(&self.deadline, PollFlags::IN)];
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            if rustix::io::retry_on_intr(|| poll(&mut event, Some(&now)))? > 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// What the readable lifeline says.
    fn launcher_is_gone(&mut self) -> bool {
        let Some(lifeline) = &self.lifeline else {
            return false;
        };
        let mut byte = [0];
        match rustix::io::retry_on_intr(|| rustix::io::read(lifeline, &mut byte)) {
            Ok(0) => true,
            Ok(_) => {
                self.lifeline = None;
                false
            }
            Err(Errno::AGAIN) => false,
            Err(_) => true,
        }
    }
}

/// Serves connections until there are none and no process is left (to continue), or the sandbox has to end
/// (to break).
fn serve_while_busy(
    config: &AgentConfig,
    processes: &Processes,
    listener: &UnixListener,
    watch: &mut Watch,
) -> io::Result<ControlFlow<()>> {
    heap::reuse_large_buffers();
    let agent = Agent::new(config, processes.clone(), Place::of(config)).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::from_std(listener.try_clone()?)?;
        let serving = Arc::new(agent).serve_until_idle(listener, has_processes);
        tokio::select! {
            ended = watch.end() => ended.map(ControlFlow::Break),
            idle = serving => idle.map(ControlFlow::Continue),
        }
    })
}

/// Whether a process is left beside this one: PID 1 is the parent, or an ancestor, of all of them.
fn has_processes() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}

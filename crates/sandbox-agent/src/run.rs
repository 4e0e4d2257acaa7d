//! How the run of a program on its channel ends.

use std::{sync::Arc, time::Duration};

use sandbox_isolation::{ExitStatus, Signal};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{TIMEOUT_MESSAGE, exec::Live, flow::Counted, outlet::Outlet, wiring::Output};

/// How long after a kill the outputs may stay open. Whatever holds them longer has escaped.
const AFTER_KILL: Duration = Duration::from_secs(5);

const OVERFLOW: &str = "sandbox: too much standard input for a command that does not read it\n";

/// A program that runs on a channel, as the task sees it that waits for its end.
pub(crate) struct Run {
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) live: Arc<Live>,
    /// Cancelled to end the output although somebody still holds it open.
    pub(crate) stop: CancellationToken,
    /// The program and all it started are killed after this.
    pub(crate) timeout: Option<Duration>,
    /// How long after the program's end its outputs may stay open; `None` for as long as they like.
    pub(crate) linger: Option<Duration>,
    pub(crate) ended: bool,
    pub(crate) _counted: Counted,
}

enum End {
    Exited(ExitStatus),
    TimedOut,
    Overflowed,
    /// The peer closed the channel, or is gone.
    Abandoned,
}

impl Run {
    /// Carries the output to the channel, and to its end whichever way it comes.
    pub(crate) async fn supervise(mut self, mut exited: oneshot::Receiver<ExitStatus>, mut output: Output) {
        let outlet = Arc::clone(&self.outlet);
        let mut status = None;
        let end = tokio::select! {
            biased;
            () = outlet.closed.cancelled() => End::Abandoned,
            () = self.live.overflow.cancelled() => End::Overflowed,
            exit = self.exit_and_output(&mut exited, &mut status, &mut output) => End::Exited(exit),
            () = optional_sleep(self.timeout) => End::TimedOut,
        };
        let killed = ExitStatus::Signal(Signal::KILL.as_raw());
        match end {
            End::Exited(status) => outlet.report(status, "").await,
            End::TimedOut => {
                self.kill();
                end_output(&mut output, AFTER_KILL, &self.stop).await;
                outlet.report(killed, TIMEOUT_MESSAGE).await;
            }
            End::Overflowed => {
                self.kill();
                outlet.complain(OVERFLOW).await;
                outlet.report(killed, "standard input overflow").await;
            }
            // What a program left in the background when it ended may go on, as after a logout.
            End::Abandoned if status.is_some() => {}
            End::Abandoned => self.kill(),
        }
        self.ended = true;
        self.live.input.discard();
        // From here on the channel's place is free, whether or not the peer says that it saw the end.
        outlet.closed.cancel();
    }

    /// Waits for the program's end and for that of its output, which may come in either order.
    async fn exit_and_output(
        &self,
        exited: &mut oneshot::Receiver<ExitStatus>,
        status: &mut Option<ExitStatus>,
        output: &mut Output,
    ) -> ExitStatus {
        let mut open = true;
        let exit = loop {
            tokio::select! {
                // The sender is dropped unused only when the agent ends; then nobody will hear this.
                exit = &mut *exited => break exit.unwrap_or(ExitStatus::Signal(Signal::KILL.as_raw())),
                () = &mut *output, if open => open = false,
            }
        };
        *status = Some(exit);
        match self.linger {
            _ if !open => {}
            None => output.await,
            Some(linger) => end_output(output, linger, &self.stop).await,
        }
        exit
    }

    /// Kills the program and all it ever started.
    fn kill(&self) {
        if let Err(error) = self.live.process.kill_all() {
            tracing::warn!(%error, "a command could not be killed as a whole");
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The task was dropped in the middle: nobody is left to carry the output or to hear of the end.
        if !self.ended {
            self.kill();
        }
    }
}

/// Waits until the output ends, or else ends it with what is there after `patience`. However slowly the peer
/// reads, it gets all of that.
async fn end_output(output: &mut Output, patience: Duration, stop: &CancellationToken) {
    if timeout(patience, &mut *output).await.is_err() {
        stop.cancel();
        output.await;
    }
}

async fn optional_sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

//! Tells those who wait for a process how it ended.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
};

use sandbox_isolation::{ExitStatus, Process, Processes, Spawn};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// The one place that starts and reaps processes.
pub(crate) struct Reaper {
    processes: Processes,
    waiting: Mutex<HashMap<u32, oneshot::Sender<ExitStatus>>>,
}

impl Reaper {
    pub(crate) fn new(processes: Processes) -> Self {
        Self {
            processes,
            waiting: Mutex::default(),
        }
    }

    /// Starts a process; the receiver gets how it ended.
    pub(crate) fn spawn(&self, spawn: &Spawn<'_>) -> io::Result<(Process, oneshot::Receiver<ExitStatus>)> {
        // Held across the start: nobody may reap before the waiter is known.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let process = self.processes.spawn(spawn)?;
        let (sender, receiver) = oneshot::channel();
        waiting.insert(process.pid(), sender);
        Ok((process, receiver))
    }

    /// Reaps for as long as it is polled.
    ///
    /// # Errors
    ///
    /// Where SIGCHLD cannot be received.
    pub(crate) async fn run(&self) -> io::Result<()> {
        let mut ended = signal(SignalKind::child())?;
        loop {
            self.reap();
            ended.recv().await;
        }
    }

    fn reap(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for exit in self.processes.reap() {
            if let Some(waiter) = waiting.remove(&exit.pid) {
                let _ = waiter.send(exit.status);
            }
        }
    }
}

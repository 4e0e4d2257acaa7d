//! A session whose sandbox lives.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use sandbox_isolation::{Lifeline, Sandbox};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

use super::session_dir::Stored;
use super::{Access, Error, ErrorKind, Inner, Record, Removal, Result, State, Stats};

/// What the server holds of a running sandbox.
pub(super) struct Live {
    sandbox: Sandbox,
    access: Access,
    /// Held in [`Lifetime::Ephemeral`](super::Lifetime::Ephemeral): the sandbox ends when it is dropped, and with it
    /// when this process ends in whatever way.
    lifeline: Option<Lifeline>,
    /// Whether everything of it was removed.
    ended: AtomicBool,
    /// When the agent ends by itself.
    deadline: DateTime<Utc>,
    record: Mutex<Record>,
    /// Whether somebody was told about it; until then a create may still be undone.
    claimed: AtomicBool,
    watcher: Mutex<Option<AbortHandle>>,
}

impl Live {
    /// A session that was just made.
    pub(super) fn made(
        sandbox: Sandbox,
        access: Access,
        lifeline: Option<Lifeline>,
        deadline: DateTime<Utc>,
        record: Record,
    ) -> Self {
        Self {
            sandbox,
            access,
            lifeline,
            ended: AtomicBool::new(false),
            deadline,
            record: Mutex::new(record),
            claimed: AtomicBool::new(false),
            watcher: Mutex::default(),
        }
    }

    /// A session that an earlier server made.
    pub(super) fn adopted(sandbox: Sandbox, access: Access, stored: Stored) -> Self {
        let live = Self::made(sandbox, access, None, stored.deadline, stored.record);
        live.claim();
        live
    }

    pub(super) fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// As [`record`](Self::record), without a copy.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Record) -> T) -> T {
        at(&lock(&self.record))
    }

    pub(super) fn set_record(&self, record: Record) {
        *lock(&self.record) = record;
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn deadline(&self) -> DateTime<Utc> {
        self.deadline
    }

    /// What is to be written down, with this record.
    pub(super) fn stored(&self, record: Record) -> Stored {
        Stored {
            record,
            deadline: self.deadline,
            sandbox: self.sandbox.handle().clone(),
        }
    }

    pub(super) fn claim(&self) {
        self.claimed.store(true, Ordering::Release);
    }

    pub(super) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// Stops or starts the sandbox's processes. Blocking.
    pub(super) fn switch(&self, to: State) -> Result<()> {
        let (switched, message) = match to {
            State::Paused => (self.sandbox.freeze(), "cannot pause the sandbox"),
            State::Running => (self.sandbox.thaw(), "cannot resume the sandbox"),
        };
        switched.map_err(|error| Error::new(ErrorKind::Internal, message).with_source(error))
    }

    /// Measures the sandbox. Blocking.
    pub(super) fn stats(&self) -> Result<Stats> {
        let stats = self.sandbox.stats().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "cannot measure the sandbox").with_source(error)
        })?;
        Ok(stats_of(&stats))
    }

    /// Kills everything in the sandbox and waits until it is gone. Blocking, idempotent.
    pub(super) fn kill(&self) -> Result<(), sandbox_isolation::Error> {
        self.sandbox.kill()
    }

    /// As [`kill`](Self::kill), and removes the sandbox's control groups.
    pub(super) fn end(&self) -> Result<(), sandbox_isolation::Error> {
        self.sandbox.destroy()?;
        self.ended.store(true, Ordering::Release);
        Ok(())
    }

    /// Adds a session to those the backend knows, and clears it away when its sandbox dies. The caller holds the
    /// session's lock.
    pub(super) fn install(self: Arc<Self>, inner: &Arc<Inner>) -> Result<()> {
        let id = self.record().id;
        let pidfd = self.sandbox.pidfd().try_clone_to_owned();
        let death = pidfd.and_then(watched).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot watch the sandbox").with_source(error)
        })?;
        let (session, backend) = (Arc::downgrade(&self), Arc::downgrade(inner));
        let watcher = inner.runtime.spawn(async move {
            wait_for(death).await;
            if let (Some(session), Some(inner)) = (session.upgrade(), backend.upgrade()) {
                // A task of its own: this one is aborted when the session is dropped.
                inner.runtime.clone().spawn(bury(inner, session));
            }
        });
        *lock(&self.watcher) = Some(watcher.abort_handle());
        inner.sessions().insert(id, self);
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(watcher) = lock(&self.watcher).take() {
            watcher.abort();
        }
        // The sandbox would end by itself, but leave its cgroups behind. This blocks for as long as its end takes,
        // which is only reached where a server ends without destroying its sessions first.
        if let Some(lifeline) = self.lifeline.take()
            && !*self.ended.get_mut()
        {
            drop(lifeline);
            if let Err(error) = self.sandbox.destroy() {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot end a sandbox");
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, to make sure of what holds for an `OwnedFd` by its type"
)]
fn watched(pidfd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

/// A pidfd is readable once its process has ended.
async fn wait_for(death: AsyncFd<OwnedFd>) {
    if let Err(error) = death.readable().await {
        tracing::error!(%error, "can no longer watch a sandbox");
        std::future::pending::<()>().await;
    }
}

async fn bury(inner: Arc<Inner>, dead: Arc<Live>) {
    let id = dead.record().id;
    let guard = inner.locks.lock(id).await;
    // Destroyed meanwhile, and perhaps made anew?
    if !inner.find(id).is_ok_and(|found| Arc::ptr_eq(&found, &dead)) {
        return;
    }
    match inner.remove(&dead, Removal::Died, guard).await {
        Ok(()) => tracing::info!(session = %id, "a sandbox ended by itself"),
        Err(error) => {
            tracing::error!(session = %id, error = &error as &dyn std::error::Error, "cannot clear away a dead sandbox");
        }
    }
}

fn stats_of(stats: &sandbox_isolation::Stats) -> Stats {
    Stats {
        memory_bytes: stats.memory_bytes,
        pids: stats.pids,
        cpu_time: stats.cpu_time,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

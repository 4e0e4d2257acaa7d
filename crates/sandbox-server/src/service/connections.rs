//! The server's own SSH connections to the agents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandbox_tunnel::{Auth, HostKey, SshClient, SshConfig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::error::{Error, Result};
use crate::backend::{Backend, SessionId};

/// Commands of one session that run at the same time; further ones wait. Below what an agent takes.
const CONCURRENT_COMMANDS: usize = 32;

/// How long an agent may take to answer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection nobody uses is kept: it saves the next command a handshake, and costs memory at both ends.
const IDLE: Duration = Duration::from_secs(10);

/// Connections that nobody uses and that are kept all the same. One takes about 80 KiB, ten times as much as all else
/// that is kept of a session: a server of a thousand sessions does not keep a thousand of them.
const MOST_IDLE: usize = 256;

/// Channels after which a connection is replaced: the protocol library remembers each of them, at both ends, and a
/// session that is never idle keeps its connection. So an agent keeps less than a mebibyte of them, for a handshake in
/// so many commands.
const CHANNELS: u64 = 200;

/// One kept connection per session, for commands. It is made with the session or when it is needed, made anew when it
/// was lost, and closed when nobody has used it for a while, so that an idle session costs little.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<HashMap<SessionId, Arc<Slot>>>);

#[derive(Debug)]
struct Slot {
    permits: Arc<Semaphore>,
    kept: tokio::sync::Mutex<Option<SshClient>>,
    last_used: Mutex<Instant>,
}

/// The right to run one command on a session's connection.
#[derive(Debug)]
pub(super) struct Lease {
    slot: Arc<Slot>,
    client: SshClient,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    /// Waits for a free place, and for the connection if there is none yet.
    pub(super) async fn lease(&self, backend: &dyn Backend, id: SessionId) -> Result<Lease> {
        let slot = self.slot(id);
        let permit = slot.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|error| Error::unavailable("the session is ending").caused_by(error))?;
        let client = slot.connected(backend, id).await?;
        Ok(Lease {
            slot,
            client,
            _permit: permit,
        })
    }

    /// The place of a session's connection. The one that was used longest ago makes room for it.
    fn slot(&self, id: SessionId) -> Arc<Slot> {
        let mut slots = lock(&self.0);
        if slots.len() >= MOST_IDLE && !slots.contains_key(&id) {
            let idle = slots.iter().filter(|(_, slot)| !slot.is_busy());
            let oldest = idle
                .min_by_key(|(_, slot)| *lock(&slot.last_used))
                .map(|(id, _)| *id);
            oldest.and_then(|oldest| slots.remove(&oldest));
        }
        slots.entry(id).or_insert_with(Slot::new).clone()
    }

    /// Connects to a session that was just made, without anybody waiting: whoever makes one mostly uses it at once, and
    /// the handshake then runs while the answer is on its way. The task ends by itself, at the latest when the times for
    /// dialling and for the handshake are over.
    pub(super) fn connect_ahead(self: &Arc<Self>, backend: &Arc<dyn Backend>, id: SessionId) {
        let (connections, backend) = (self.clone(), backend.clone());
        tokio::spawn(async move {
            if let Err(error) = connections.lease(&*backend, id).await {
                // Ended already, perhaps. The first command will try for itself, and tell.
                tracing::debug!(session = %id, error = &error as &dyn std::error::Error, "not connected ahead");
            }
        });
    }

    /// Closes what nobody has used for a while.
    pub(super) fn close_idle(&self) {
        lock(&self.0).retain(|_, slot| slot.is_busy() || lock(&slot.last_used).elapsed() < IDLE);
    }

    /// Forgets a session that is gone.
    pub(super) fn forget(&self, id: SessionId) {
        lock(&self.0).remove(&id);
    }
}

impl Slot {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(CONCURRENT_COMMANDS)),
            kept: tokio::sync::Mutex::default(),
            last_used: Mutex::new(Instant::now()),
        })
    }

    fn is_busy(&self) -> bool {
        self.permits.available_permits() < CONCURRENT_COMMANDS
    }

    /// Whoever comes first connects; whoever comes meanwhile waits for that instead of connecting, too.
    async fn connected(&self, backend: &dyn Backend, id: SessionId) -> Result<SshClient> {
        let mut kept = self.kept.lock().await;
        match &*kept {
            Some(client) if !client.is_closed() && client.channels_opened() < CHANNELS => Ok(client.clone()),
            _ => Ok(kept.insert(connect(backend, id).await?).clone()),
        }
    }
}

impl Lease {
    pub(super) fn client(&self) -> &SshClient {
        &self.client
    }

    /// The connection has failed: nobody is to use it any more.
    pub(super) async fn discard(self) {
        let mut kept = self.slot.kept.lock().await;
        // Not one that somebody has made meanwhile: the failed one knows that it is closed.
        if kept.as_ref().is_some_and(SshClient::is_closed) {
            *kept = None;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *lock(&self.slot.last_used) = Instant::now();
    }
}

/// A new connection to a session's agent, authenticated by the session's control key.
pub(super) async fn connect(backend: &dyn Backend, id: SessionId) -> Result<SshClient> {
    let access = backend.access(id).await?;
    let stream = backend.dial(id, Instant::now() + DIAL_TIMEOUT).await?;
    let auth = Auth::Key(Arc::new(access.control));
    let mut config = SshConfig::new(sandbox_agent::USER, auth, HostKey::Pinned(access.host));
    // The other end is on this machine: when it dies, the stream ends.
    config.keepalive = None;
    SshClient::connect(stream, &config)
        .await
        .map_err(|error| Error::unavailable("the session's agent does not answer").caused_by(error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_kept_that_nobody_uses() {
        let connections = Connections::default();
        let ids: Vec<_> = (0..=MOST_IDLE).map(|_| SessionId::random()).collect();
        let busy = connections.slot(ids[0]);
        let _permit = busy.permits.try_acquire().unwrap();
        for id in &ids[1..] {
            connections.slot(*id);
        }
        let kept = |id: &SessionId| lock(&connections.0).contains_key(id);
        assert!(kept(&ids[0]) && !kept(&ids[1]));
        assert!(ids[2..].iter().all(kept));
        // One that is there already needs no room.
        connections.slot(ids[2]);
        assert!(ids[2..].iter().all(kept));
    }
}

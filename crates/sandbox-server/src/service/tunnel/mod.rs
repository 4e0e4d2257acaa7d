//! Tunnels: bytes between a caller and the agent of a session, which nobody here looks into.

mod registry;
mod splice;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep, timeout};

use self::registry::Place;
pub(super) use self::registry::Tunnels;
use super::activity::Activity;
use super::{Error, Result, Service};
use crate::backend::{BoxIo, Io, Owner, SessionId};

/// How long an agent may take to answer.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the tunnels that are being closed may take to be gone. They have nothing to wait for.
const CLOSE: Duration = Duration::from_secs(5);

/// How many tunnels there may be, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TunnelBounds {
    pub(crate) per_session: usize,
    pub(crate) per_owner: usize,
    /// How long no byte may pass in either direction.
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
}

/// A way to a session's agent that waits for its caller.
pub(crate) struct Tunnel {
    agent: BoxIo,
    place: Place,
    bounds: TunnelBounds,
    activity: Arc<Activity>,
    /// When the session ends at the latest.
    deadline: Instant,
}

impl Service {
    /// Dials the agent of a session, as one more of the session's and of its owner's tunnels.
    pub(crate) async fn open_tunnel(&self, owner: &Owner, id: SessionId) -> Result<Tunnel> {
        let left = self.check_running(owner, id).await?.expires_at - Utc::now();
        let deadline = Instant::now() + left.to_std().unwrap_or_default();
        // Before dialling: a session that ends from now on ends this tunnel, too.
        let place = self.tunnels.take(owner, id, self.bounds.tunnels)?;
        self.activity.touch(id);
        let dialled = self.backend.dial(id, Instant::now() + DIAL_TIMEOUT).await;
        let agent = self.explained(owner, id, dialled.map_err(Error::from)).await?;
        Ok(Tunnel {
            agent,
            place,
            bounds: self.bounds.tunnels,
            activity: self.activity.clone(),
            deadline,
        })
    }

    /// Carries a tunnel in a task of its own, once its caller is there. The task ends with the session, and when the
    /// tunnels are [closed](Self::close_tunnels).
    pub(crate) fn carry<S: Io + 'static>(
        &self,
        tunnel: Tunnel,
        caller: impl Future<Output = Option<S>> + Send + 'static,
    ) {
        self.tunnels.spawn(async move {
            let id = tunnel.place.session();
            let ended = tunnel.place.ended();
            let carried = async {
                match caller.await {
                    Some(caller) => tunnel.carry(caller).await,
                    None => "its caller did not wait for it",
                }
            };
            let why = ended
                .run_until_cancelled(carried)
                .await
                .unwrap_or("the session, or the server, ends");
            tracing::debug!(session = %id, why, "a tunnel ended");
        });
    }

    /// Ends every tunnel at once, and opens no more. Does not wait.
    pub(crate) fn cut_tunnels(&self) {
        self.tunnels.cut();
    }

    /// As [`cut_tunnels`](Self::cut_tunnels), and waits until they are gone.
    pub(crate) async fn close_tunnels(&self) {
        self.tunnels.cut();
        if timeout(CLOSE, self.tunnels.gone()).await.is_err() {
            tracing::warn!("tunnels are still open");
        }
    }
}

impl Tunnel {
    /// Says why it ended.
    async fn carry<S: Io>(self, caller: S) -> &'static str {
        let id = self.place.session();
        let total = sleep(self.bounds.total.min(self.deadline - Instant::now()));
        let used = || self.activity.touch(id);
        tokio::select! {
            why = splice::splice(caller, self.agent, self.bounds.idle, used) => why,
            () = total => "its time was up",
        }
    }
}

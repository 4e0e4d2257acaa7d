//! Which tunnels there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{Error, ErrorKind, Result};
use super::TunnelBounds;
use crate::backend::{Owner, SessionId};

/// The tunnels of all sessions: counted, and ended with their sessions.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    /// Cancelled when no tunnel may be any more.
    ended: CancellationToken,
    tasks: TaskTracker,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    of_owner: HashMap<Owner, usize>,
    of_session: HashMap<SessionId, OfSession>,
}

#[derive(Debug)]
struct OfSession {
    count: usize,
    ended: CancellationToken,
}

/// One tunnel, counted for as long as this lives.
#[derive(Debug)]
pub(super) struct Place {
    owner: Owner,
    session: SessionId,
    ended: CancellationToken,
    open: Arc<Mutex<Open>>,
}

impl Tunnels {
    /// A place for one more tunnel.
    pub(super) fn take(&self, owner: &Owner, session: SessionId, bounds: TunnelBounds) -> Result<Place> {
        if self.ended.is_cancelled() {
            return Err(Error::unavailable("the server is stopping"));
        }
        let mut open = lock(&self.open);
        let of_owner = open.of_owner.get(owner).copied().unwrap_or_default();
        let of_session = open.of_session.get(&session).map_or(0, |tunnels| tunnels.count);
        check("the session", of_session, bounds.per_session)?;
        check("the token's owner", of_owner, bounds.per_owner)?;
        open.of_owner.insert(owner.clone(), of_owner + 1);
        let of_session = open.of_session.entry(session).or_insert_with(|| OfSession {
            count: 0,
            ended: self.ended.child_token(),
        });
        of_session.count += 1;
        Ok(Place {
            owner: owner.clone(),
            session,
            ended: of_session.ended.clone(),
            open: self.open.clone(),
        })
    }

    /// Ends the tunnels of a session that is gone.
    pub(crate) fn end(&self, session: SessionId) {
        if let Some(tunnels) = lock(&self.open).of_session.get(&session) {
            tunnels.ended.cancel();
        }
    }

    /// Ends all of them, and lets none be opened.
    pub(super) fn cut(&self) {
        self.ended.cancel();
        self.tasks.close();
    }

    /// Waits until all that [were spawned](Self::spawn) are gone; never returns before [`cut`](Self::cut).
    pub(super) async fn gone(&self) {
        self.tasks.wait().await;
    }

    pub(super) fn spawn(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(tunnel);
    }
}

impl Place {
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// Cancelled when the tunnel has to end.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(count) = open.of_owner.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.of_owner.remove(&self.owner);
            }
        }
        if let Some(tunnels) = open.of_session.get_mut(&self.session) {
            tunnels.count -= 1;
            if tunnels.count == 0 {
                open.of_session.remove(&self.session);
            }
        }
    }
}

fn check(whose: &str, open: usize, bound: usize) -> Result<()> {
    if open < bound {
        return Ok(());
    }
    let message = format!("{whose} has as many tunnels as it may have ({bound})");
    Err(Error::new(ErrorKind::TooManyTunnels, message).detail("maximum", bound))
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BOUNDS: TunnelBounds = TunnelBounds {
        per_session: 2,
        per_owner: 3,
        idle: Duration::MAX,
        total: Duration::MAX,
    };

    #[test]
    fn tunnels_are_counted_for_their_session_and_their_owner() {
        let tunnels = Tunnels::default();
        let (alice, bob) = (Owner::new("alice"), Owner::new("bob"));
        let (first, second) = (SessionId::random(), SessionId::random());
        let take = |owner, session| tunnels.take(owner, session, BOUNDS);
        let places = [take(&alice, first), take(&alice, first)].map(Result::unwrap);
        let error = take(&alice, first).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooManyTunnels);
        assert!(error.message.contains("the session") && error.message.contains("(2)"));
        let third = take(&alice, second).unwrap();
        let error = take(&alice, second).unwrap_err();
        assert!(error.message.contains("owner") && error.message.contains("(3)"));
        take(&bob, second).unwrap();
        drop(places);
        let _again = [take(&alice, first), take(&alice, second)].map(Result::unwrap);
        drop(third);
    }

    #[test]
    fn nothing_is_kept_of_tunnels_that_are_gone() {
        let tunnels = Tunnels::default();
        let place = tunnels
            .take(&Owner::new("a"), SessionId::random(), BOUNDS)
            .unwrap();
        drop(place);
        let open = lock(&tunnels.open);
        assert!(open.of_owner.is_empty() && open.of_session.is_empty());
    }

    #[test]
    fn tunnels_end_with_their_session_and_with_the_server() {
        let tunnels = Tunnels::default();
        let alice = Owner::new("alice");
        let (first, second) = (SessionId::random(), SessionId::random());
        let [one, two] = [first, second].map(|id| tunnels.take(&alice, id, BOUNDS).unwrap());
        tunnels.end(first);
        assert!(one.ended().is_cancelled() && !two.ended().is_cancelled());
        tunnels.cut();
        assert!(two.ended().is_cancelled());
        let refused = tunnels.take(&alice, second, BOUNDS).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unavailable);
    }
}

//! One lock per session name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::backend::SessionId;

type Locks = Mutex<HashMap<SessionId, Arc<tokio::sync::Mutex<()>>>>;

/// Serialises the changes of each session; sessions do not wait for one another.
///
/// The locks are by name, not in the session: two creates of one name must meet before there is a session.
#[derive(Debug, Default)]
pub(crate) struct IdLocks(Arc<Locks>);

impl IdLocks {
    pub(crate) async fn lock(&self, id: SessionId) -> IdGuard {
        let lock = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(id)
            .or_default()
            .clone();
        IdGuard {
            locks: self.0.clone(),
            id,
            guard: Some(lock.lock_owned().await),
        }
    }
}

/// The right to change one session.
#[derive(Debug)]
pub(crate) struct IdGuard {
    locks: Arc<Locks>,
    id: SessionId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for IdGuard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.guard.take());
        // Who waits has cloned the lock while the map was locked, so one reference means nobody does.
        if locks
            .get(&self.id)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn locks_are_forgotten_when_nobody_holds_them() {
        let locks = IdLocks::default();
        let id = SessionId::random();
        let first = locks.lock(id).await;
        let other = locks.lock(SessionId::random()).await;
        let second = async {
            let _second = locks.lock(id).await;
        };
        tokio::join!(second, async { drop(first) });
        assert_eq!(locks.0.lock().unwrap().len(), 1);
        drop(other);
        assert!(locks.0.lock().unwrap().is_empty());
    }
}

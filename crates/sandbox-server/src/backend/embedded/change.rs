//! Changing and ending a session.

use std::sync::Arc;

use chrono::Utc;

use super::live::Live;
use super::{
    Destroyed, Error, ErrorKind, Event, Inner, Patch, Record, Removal, Result, Revision, SessionId, State,
    blocking,
};
use crate::id_locks::IdGuard;

impl Inner {
    /// Replaces a record on disk and in memory. The caller holds the session's lock.
    pub(super) async fn change(self: &Arc<Self>, live: &Arc<Live>, mut record: Record) -> Result<Record> {
        record.revision = record.revision.next();
        let (inner, session, stored) = (self.clone(), live.clone(), record.clone());
        blocking(move || {
            let stored = session.stored(stored);
            inner
                .state
                .session(stored.record.id)
                .write(&stored, inner.durability())
                .map_err(|error| {
                    Error::new(ErrorKind::Internal, "cannot write the session's record").with_source(error)
                })
        })
        .await?;
        live.set_record(record.clone());
        self.announce(Event::Upsert(Box::new(record.clone())));
        Ok(record)
    }

    pub(super) async fn update(
        self: Arc<Self>,
        id: SessionId,
        patch: Patch,
        if_match: Option<Revision>,
    ) -> Result<Record> {
        let _guard = self.locks.lock(id).await;
        let live = self.find(id)?;
        let mut record = live.record();
        check_revision(&record, if_match)?;
        if let Some(expires_at) = patch.expires_at {
            if expires_at > live.deadline() {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("the sandbox ends at {} at the latest", live.deadline()),
                ));
            }
            record.expires_at = expires_at;
        }
        record.last_activity_at = patch.last_activity_at.or(record.last_activity_at);
        self.change(&live, record).await
    }

    /// Pauses or resumes.
    pub(super) async fn switch(self: Arc<Self>, id: SessionId, to: State) -> Result<Record> {
        if !self.capabilities.pause {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "sessions cannot be paused on this machine",
            ));
        }
        let _guard = self.locks.lock(id).await;
        let live = self.find(id)?;
        let mut record = live.record();
        if record.state == to {
            let message = match to {
                State::Paused => "the session is paused already",
                State::Running => "the session is not paused",
            };
            return Err(Error::new(ErrorKind::InvalidState, message));
        }
        record.state = to;
        let session = live.clone();
        blocking(move || session.switch(to)).await?;
        let changed = self.change(&live, record).await;
        if changed.is_err() {
            // What the record says is what must be true.
            let back = live.record().state;
            blocking(move || live.switch(back)).await?;
        }
        changed
    }

    pub(super) async fn destroy(
        self: Arc<Self>,
        id: SessionId,
        if_match: Option<Revision>,
    ) -> Result<Destroyed> {
        let guard = self.locks.lock(id).await;
        let Ok(live) = self.find(id) else {
            return Ok(Destroyed::AlreadyGone);
        };
        check_revision(&live.record(), if_match)?;
        self.remove(&live, Removal::Destroyed, guard).await?;
        Ok(Destroyed::Gone)
    }

    /// Ends a session; `otherwise` is the reason if its time was not up. The caller gives up the session's lock.
    ///
    /// When this returns, nothing of the sandbox runs and the session is gone. What is left of it on this machine is
    /// cleared away without anybody waiting but a `create` of the same name.
    pub(super) async fn remove(
        self: &Arc<Self>,
        live: &Arc<Live>,
        otherwise: Removal,
        guard: IdGuard,
    ) -> Result<()> {
        let record = live.record();
        let id = record.id;
        // Before its sandbox dies: what fails for that reason is told that there is no such session, not that it
        // cannot be reached.
        self.sessions().remove(&id);
        let session = live.clone();
        let killed = blocking(move || {
            session
                .kill()
                .map_err(|error| Error::new(ErrorKind::Internal, "cannot end the sandbox").with_source(error))
        });
        if let Err(error) = killed.await {
            self.sessions().insert(id, live.clone());
            return Err(error);
        }
        let reason = if record.is_expired(Utc::now()) {
            Removal::Expired
        } else {
            otherwise
        };
        self.announce(Event::Removed { id, reason });
        let (inner, session) = (self.clone(), live.clone());
        self.runtime.spawn_blocking(move || {
            inner.clear_away(id, &session);
            drop(guard);
        });
        Ok(())
    }

    /// Removes the control groups and the directory of a session whose sandbox has ended. What cannot be removed is
    /// swept by the next server, which finds the sandbox dead. Blocking.
    fn clear_away(&self, id: SessionId, ended: &Live) {
        if let Err(error) = ended.end() {
            tracing::warn!(session = %id, error = &error as &dyn std::error::Error, "a control group is left behind");
        }
        if let Err(error) = self.state.session(id).remove() {
            tracing::warn!(session = %id, %error, "the directory of an ended session is left behind");
        }
    }
}

fn check_revision(record: &Record, if_match: Option<Revision>) -> Result<()> {
    match if_match {
        Some(expected) if expected != record.revision => Err(Error::new(
            ErrorKind::Conflict,
            format!("session {} has changed meanwhile", record.id),
        )),
        _ => Ok(()),
    }
}

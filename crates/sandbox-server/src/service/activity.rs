//! When sessions were last used.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SubsecRound, Utc};

use crate::backend::{Record, SessionId};

/// Uses that are not written down yet: a write to disk for each of them would cost more than the use itself.
#[derive(Debug, Default)]
pub(super) struct Activity(Mutex<HashMap<SessionId, DateTime<Utc>>>);

impl Activity {
    pub(super) fn touch(&self, id: SessionId) {
        self.map().insert(id, Utc::now().trunc_subsecs(3));
    }

    /// Adds what is known here to a record.
    pub(super) fn complete(&self, mut record: Record) -> Record {
        record.last_activity_at = record.last_activity_at.max(self.map().get(&record.id).copied());
        record
    }

    /// Hands over everything, to be written down.
    pub(super) fn take(&self) -> HashMap<SessionId, DateTime<Utc>> {
        std::mem::take(&mut *self.map())
    }

    pub(super) fn forget(&self, id: SessionId) {
        self.map().remove(&id);
    }

    fn map(&self) -> MutexGuard<'_, HashMap<SessionId, DateTime<Utc>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! How many sessions there may be.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::Utc;

use super::error::{Error, ErrorKind, Result};
use crate::backend::{Backend, Owner, Page, Query, Record, SessionId};

/// How many sessions there may be at the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionBounds {
    pub(crate) of_all: usize,
    pub(crate) per_owner: usize,
}

/// The sessions being made, of which the backend may not know yet.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<SessionId, Owner>>);

/// A session being made, counted for as long as this lives.
pub(super) struct Place<'a> {
    places: &'a Places,
    id: SessionId,
}

impl Places {
    /// A place for one more session.
    ///
    /// It is first counted here and then looked for in the backend, so that a session is for a moment in both places but
    /// never in none: of any that come at once, the last to be counted here sees all the others.
    pub(super) async fn take(
        &self,
        backend: &dyn Backend,
        bounds: SessionBounds,
        owner: &Owner,
        id: SessionId,
    ) -> Result<Place<'_>> {
        let place = Place { places: self, id };
        let (all, owners) = self.count_in(owner, id);
        let of_owner = Query {
            owner: Some(owner.clone()),
            ..Query::default()
        };
        if let Err(living) = fit(backend, &of_owner, owners, bounds.per_owner).await? {
            return Err(too_many(&living, bounds.per_owner));
        }
        match fit(backend, &Query::default(), all, bounds.of_all).await? {
            Ok(()) => Ok(place),
            Err(_) => Err(full(bounds.of_all)),
        }
    }

    /// Adds a session, and answers which are being made: of all owners, and of this one.
    fn count_in(&self, owner: &Owner, id: SessionId) -> (HashSet<SessionId>, HashSet<SessionId>) {
        let mut making = self.making();
        making.insert(id, owner.clone());
        let all = making.keys().copied().collect();
        let owners = making.iter().filter(|(_, making)| *making == owner);
        (all, owners.map(|(id, _)| *id).collect())
    }

    fn making(&self) -> MutexGuard<'_, HashMap<SessionId, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.making().remove(&self.id);
    }
}

/// Whether the sessions being made fit in beside the living ones; those, if they do not.
async fn fit(
    backend: &dyn Backend,
    query: &Query,
    making: HashSet<SessionId>,
    bound: usize,
) -> Result<Result<(), Vec<Record>>> {
    // What is in both places is counted twice here, which only matters where room is scarce.
    let none = Page { offset: 0, limit: 0 };
    let living = usize::try_from(backend.list(query, none).await?.total).unwrap_or(usize::MAX);
    if living.saturating_add(making.len()) <= bound {
        return Ok(Ok(()));
    }
    let living = backend.list(query, Page::ALL).await?.records;
    let known = living.iter().filter(|record| making.contains(&record.id)).count();
    if living.len() + making.len() - known <= bound {
        Ok(Ok(()))
    } else {
        Ok(Err(living))
    }
}

/// Nothing but the end of one of them makes room, so that is when it makes sense to try again.
fn too_many(living: &[Record], bound: usize) -> Error {
    let are_alive = if bound == 1 { "session is" } else { "sessions are" };
    let message = format!("{bound} {are_alive} alive, which is as many as one owner may have");
    let first = living.iter().map(|record| record.expires_at).min();
    let mut error = Error::new(ErrorKind::TooManySessions, message).detail("maximum", bound);
    error.retry_after = first.map(|first| (first - Utc::now()).to_std().unwrap_or_default());
    error
}

fn full(bound: usize) -> Error {
    let message = format!("the server has as many sessions as it can hold ({bound})");
    Error::unavailable(message).detail("maximum", bound)
}

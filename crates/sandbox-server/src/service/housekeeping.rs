//! What is done without being asked: the same for every backend.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::StreamExt;
use sandbox_isolation::give_back_free_memory;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Service;
use crate::backend::{ErrorKind, Event, Page, Patch, Query};

/// How often expired sessions are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How often the last uses of sessions are written down, and free memory is given back.
const MINUTE: Duration = Duration::from_secs(60);

/// Removes expired sessions, and forgets what is known of those that are gone. Ends never; abort it to stop.
pub(super) async fn keep_house(service: Arc<Service>) {
    let mut events = service.backend.watch();
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_minute = Instant::now();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Removed { id, .. }) => service.forget(id),
                // Connections to sessions that are gone are closed for being idle; nothing is missed for ever.
                Some(_) => {}
                None => events = service.backend.watch(),
            },
            _ = ticks.tick() => {
                service.sweep().await;
                service.connections.close_idle();
                service.used_keys.forget_old(Utc::now());
                if last_minute.elapsed() >= MINUTE {
                    service.write_activity().await;
                    // A kept connection remembers each of its channels. What it had is free when it is closed, but lies
                    // between what is not, where the allocator keeps it for as long as the server runs.
                    let _ = tokio::task::spawn_blocking(give_back_free_memory).await;
                    last_minute = Instant::now();
                }
            }
        }
    }
}

impl Service {
    /// Removes every session whose time is up.
    pub(crate) async fn sweep(&self) {
        let query = Query {
            expired_at: Some(Utc::now()),
            ..Query::default()
        };
        let expired = match self.backend.list(&query, Page::ALL).await {
            Ok(listing) => listing.records,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for expired sessions"
                );
                return;
            }
        };
        for record in expired {
            // At the revision that was seen: a renewal in between wins.
            match self.backend.destroy(record.id, Some(record.revision)).await {
                Ok(_) => tracing::info!(session = %record.id, "a session has expired"),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(session = %record.id, error, "cannot remove an expired session");
                }
            }
        }
    }

    /// Adds the last uses of sessions to their records.
    pub(crate) async fn write_activity(&self) {
        for (id, instant) in self.activity.take() {
            let patch = Patch {
                last_activity_at: Some(instant),
                ..Patch::default()
            };
            match self.backend.update(id, &patch, None).await {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(session = %id, error = &error as &dyn std::error::Error, "cannot write a record");
                }
            }
        }
    }
}

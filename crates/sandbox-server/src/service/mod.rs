//! What decides: whose session it is, what may be asked of it, and when it ends.

mod activity;
mod code;
mod connections;
mod create;
mod error;
mod exec;
mod files;
mod housekeeping;
mod idempotency;
mod images;
mod metadata;
mod places;
mod public_key;
mod remote_path;
#[cfg(test)]
mod tests;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use self::activity::Activity;
use self::connections::Connections;
use self::idempotency::UsedKeys;
use self::places::Places;
use self::tunnel::Tunnels;
use crate::backend::{Backend, Destroyed, Listing, Owner, Page, Query, Record, SessionId, State};
use crate::id_locks::IdLocks;

pub(crate) use self::code::Language;
pub(crate) use self::error::{Error, ErrorKind, Result};
pub(crate) use self::exec::{Ending, Execution, Outcome};
pub(crate) use self::files::{Download, FileInfo, Upload, too_large};
pub(crate) use self::images::{Images, UnknownTarget};
pub(crate) use self::places::SessionBounds;
pub(crate) use self::remote_path::RemotePath;
pub(crate) use self::tunnel::TunnelBounds;

/// How many sandboxes are ended at the same time when the server takes all of them down.
const CONCURRENT_REMOVALS: usize = 16;

/// What the service keeps within bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) sessions: SessionBounds,
    /// Bytes kept of each output stream of a command.
    pub(crate) output_bytes: usize,
    /// Bytes of one uploaded file.
    pub(crate) upload_bytes: u64,
    pub(crate) tunnels: TunnelBounds,
}

/// A session somebody asks for.
#[derive(Debug, Clone)]
pub(crate) struct NewSession {
    pub(crate) ttl: Duration,
    pub(crate) image: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) ssh_public_key: Option<String>,
}

/// The sessions of one backend, seen by their owners.
pub(crate) struct Service {
    backend: Arc<dyn Backend>,
    images: Images,
    bounds: Bounds,
    connections: Arc<Connections>,
    tunnels: Tunnels,
    activity: Arc<Activity>,
    places: Places,
    /// One for each key with which a session is being made.
    repeatable: IdLocks,
    used_keys: UsedKeys,
}

impl Service {
    pub(crate) fn new(backend: Arc<dyn Backend>, images: Images, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            backend,
            images,
            bounds,
            connections: Arc::default(),
            tunnels: Tunnels::default(),
            activity: Arc::default(),
            places: Places::default(),
            repeatable: IdLocks::default(),
            used_keys: UsedKeys::default(),
        })
    }

    /// Starts what is done without being asked. Abort the task to stop it.
    pub(crate) fn keep_house(self: &Arc<Self>) -> JoinHandle<()> {
        tokio::spawn(housekeeping::keep_house(self.clone()))
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub(crate) async fn list(&self, owner: &Owner, page: Page) -> Result<Listing> {
        let query = Query {
            owner: Some(owner.clone()),
            expired_at: None,
        };
        let Listing { records, total } = self.backend.list(&query, page).await?;
        Ok(Listing {
            records: records
                .into_iter()
                .map(|record| self.activity.complete(record))
                .collect(),
            total,
        })
    }

    pub(crate) async fn get(&self, owner: &Owner, id: SessionId) -> Result<Record> {
        self.owned(owner, id)
            .await
            .map(|record| self.activity.complete(record))
    }

    pub(crate) async fn delete(&self, owner: &Owner, id: SessionId) -> Result<()> {
        self.owned(owner, id).await?;
        match self.backend.destroy(id, None).await? {
            Destroyed::Gone => {
                self.forget(id);
                Ok(())
            }
            Destroyed::AlreadyGone => Err(Error::session_not_found(id)),
        }
    }

    pub(crate) async fn pause(&self, owner: &Owner, id: SessionId) -> Result<Record> {
        self.owned(owner, id).await?;
        Ok(self.activity.complete(self.backend.pause(id).await?))
    }

    pub(crate) async fn resume(&self, owner: &Owner, id: SessionId) -> Result<Record> {
        self.owned(owner, id).await?;
        self.activity.touch(id);
        Ok(self.activity.complete(self.backend.resume(id).await?))
    }

    /// The session, if a command could be run in it now.
    pub(crate) async fn check_running(&self, owner: &Owner, id: SessionId) -> Result<Record> {
        let record = self.owned(owner, id).await?;
        match record.state {
            State::Running => Ok(record),
            State::Paused => Err(Error::new(ErrorKind::InvalidState, "the session is paused")),
        }
    }

    /// Runs a command to its end. Dropping the future kills it.
    pub(crate) async fn run(&self, owner: &Owner, id: SessionId, execution: &Execution) -> Result<Outcome> {
        self.check_running(owner, id).await?;
        self.activity.touch(id);
        let outcome = exec::run(
            &self.connections,
            &*self.backend,
            id,
            execution,
            self.bounds.output_bytes,
        )
        .await;
        self.activity.touch(id);
        self.explained(owner, id, outcome).await
    }

    /// Writes a file. Dropping the future leaves no part of it.
    pub(crate) async fn upload<S>(&self, owner: &Owner, id: SessionId, upload: Upload<S>) -> Result<FileInfo>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        self.check_running(owner, id).await?;
        self.activity.touch(id);
        let written =
            async { files::upload(connections::connect(&*self.backend, id).await?, upload).await }.await;
        self.explained(owner, id, written).await
    }

    pub(crate) async fn download(&self, owner: &Owner, id: SessionId, path: RemotePath) -> Result<Download> {
        self.check_running(owner, id).await?;
        self.activity.touch(id);
        let opened =
            async { files::download(connections::connect(&*self.backend, id).await?, path).await }.await;
        self.explained(owner, id, opened).await
    }

    /// Ends every session of every owner.
    pub(crate) async fn destroy_all(&self) {
        let records = match self.backend.list(&Query::default(), Page::ALL).await {
            Ok(listing) => listing.records,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot list the sessions to end them"
                );
                return;
            }
        };
        stream::iter(records)
            .for_each_concurrent(CONCURRENT_REMOVALS, |record| async move {
                if let Err(error) = self.backend.destroy(record.id, None).await {
                    tracing::error!(session = %record.id, error = &error as &dyn std::error::Error, "cannot end it");
                }
            })
            .await;
    }

    /// Forgets what is kept about a session that is gone.
    fn forget(&self, id: SessionId) {
        self.tunnels.end(id);
        self.connections.forget(id);
        self.activity.forget(id);
    }

    /// A session of somebody else, or one whose time is up, is as good as none.
    async fn owned(&self, owner: &Owner, id: SessionId) -> Result<Record> {
        let record = self.backend.get(id).await?;
        record
            .filter(|record| record.owner == *owner && !record.is_expired(Utc::now()))
            .ok_or_else(|| Error::session_not_found(id))
    }

    /// A session that could not be reached may be gone, or paused, by now.
    async fn explained<T>(&self, owner: &Owner, id: SessionId, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if error.kind == ErrorKind::Unavailable => {
                self.check_running(owner, id).await?;
                Err(error)
            }
            other => other,
        }
    }
}

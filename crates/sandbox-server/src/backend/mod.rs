//! What acts: the place sandboxes live in.
//!
//! A [`Backend`] is the only source of truth about sessions. It keeps each record with the sandbox itself, so there
//! is no second store to disagree with, and whatever it lists after a restart is what is really there.
//!
//! Running commands and moving files are not part of it: they ride SSH over [`Backend::dial`]. Timers are not part
//! of it either: expiry is shared code over [`Backend::list`] and [`Backend::destroy`].

mod capabilities;
mod error;
mod event;
mod limits;
mod record;
mod session_id;

pub mod embedded;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use russh::keys::{PrivateKey, PublicKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub use self::capabilities::{Capabilities, Missing};
pub use self::error::{Error, ErrorKind, Result};
pub use self::event::{Event, Removal};
pub use self::limits::Limits;
pub use self::record::{
    Fingerprint, Image, Listing, Owner, Page, Patch, Query, Record, Revision, Spec, State,
};
pub use self::session_id::{ParseSessionIdError, SessionId};

/// A place sandboxes live in: this machine, a container engine, a cluster.
///
/// Every method may be called concurrently, from several servers where the place itself is shared. A future that is
/// dropped early leaves the backend consistent: a half-made session disappears, a half-done removal is completed.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What this place can and cannot do. Constant for the backend's lifetime.
    fn capabilities(&self) -> &Capabilities;

    /// Makes a session and its sandbox; answers once the sandbox's agent can be dialled.
    ///
    /// Idempotent by `id`: a second create of a living session answers [`Created::Existing`] and ignores its `spec`.
    ///
    /// # Errors
    /// [`ErrorKind::CreateFailed`] when the sandbox could not be made (nothing is left of it),
    /// one of the kinds of images, such as [`ErrorKind::ImageNotFound`], for an image that it cannot be made of.
    async fn create(&self, id: SessionId, spec: &Spec) -> Result<Created>;

    /// The record of one session; `None` when there is no such session.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the backend cannot tell, never `None` in that case.
    async fn get(&self, id: SessionId) -> Result<Option<Record>>;

    /// The sessions that match, oldest first, equal ages by id.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the backend cannot tell.
    async fn list(&self, query: &Query, page: Page) -> Result<Listing>;

    /// Changes a record and answers the new one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Conflict`] when `if_match` is not the current revision;
    /// [`ErrorKind::Unsupported`] for a change this backend cannot make hold.
    async fn update(&self, id: SessionId, patch: &Patch, if_match: Option<Revision>) -> Result<Record>;

    /// A byte stream to the SSH server of the session's agent.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Unavailable`] when the agent does not answer before `deadline`, or has
    /// just ended.
    async fn dial(&self, id: SessionId, deadline: Instant) -> Result<BoxIo>;

    /// The keys with which the server authenticates itself to the session's agent, and the agent to itself.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Unavailable`].
    async fn access(&self, id: SessionId) -> Result<Access>;

    /// Stops every process of the session without ending it, and answers the new record.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::InvalidState`] when it is paused already;
    /// [`ErrorKind::Unsupported`] where the place cannot pause.
    async fn pause(&self, id: SessionId) -> Result<Record>;

    /// Lets a paused session run again, and answers the new record.
    ///
    /// # Errors
    /// As [`pause`](Self::pause), with [`ErrorKind::InvalidState`] when the session is not paused.
    async fn resume(&self, id: SessionId) -> Result<Record>;

    /// What the session uses now; `None` where the place does not measure.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Unavailable`].
    async fn stats(&self, id: SessionId) -> Result<Option<Stats>>;

    /// Ends the session and removes everything that belongs to it. Idempotent.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when `if_match` is not the current revision.
    async fn destroy(&self, id: SessionId, if_match: Option<Revision>) -> Result<Destroyed>;

    /// What changes from now on. A subscriber too slow to see everything gets [`Event::Resync`] in place of what it
    /// missed, and should list again.
    fn watch(&self) -> BoxStream<'static, Event>;
}

/// The answer of [`Backend::create`].
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// The session was made by this call.
    New(Record),
    /// The session was there already.
    Existing(Record),
}

impl Created {
    /// The record of the session, however it came to be.
    #[must_use]
    pub fn into_record(self) -> Record {
        match self {
            Self::New(record) | Self::Existing(record) => record,
        }
    }
}

/// The answer of [`Backend::destroy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destroyed {
    /// This call ended the session.
    Gone,
    /// There was no such session any more.
    AlreadyGone,
}

/// What a session uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Memory charged to the session, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processor time since the session was made.
    pub cpu_time: Option<Duration>,
}

/// The keys of one session's agent.
#[derive(Clone)]
pub struct Access {
    /// Authenticates the server at the agent.
    pub control: PrivateKey,
    /// What the agent proves itself with.
    pub host: PublicKey,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// A bidirectional byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An owned, type-erased [`Io`].
pub type BoxIo = Box<dyn Io>;

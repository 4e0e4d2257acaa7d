//! Sandboxes on this machine, made with system calls: no daemon, no other program.
//!
//! Each session is a directory (see `session_dir`) and a process tree. The directory says what the session is, the
//! process tree whether it lives; after a restart the two are compared, what lives is adopted and the rest swept.
//! A sandbox ends with the server until its record is on disk; in [`Lifetime::Ephemeral`] it always does.

mod adopt;
mod change;
mod config;
mod create;
mod images;
mod live;
mod session_dir;
mod state_dir;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use sandbox_isolation::Host;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{Instant, timeout_at};

use self::config::isolation_limits;
pub use self::config::{EmbeddedConfig, Lifetime};
use self::create::Unclaimed;
pub use self::images::ImageStore;
use self::images::Images;
use self::live::Live;
use self::session_dir::Durability;
use self::state_dir::StateDir;
use super::{
    Access, Backend, BoxIo, Capabilities, Created, Destroyed, Error, ErrorKind, Event, Listing, Missing,
    Page, Patch, Query, Record, Removal, Result, Revision, SessionId, Spec, State, Stats,
};
use crate::id_locks::IdLocks;

/// The image that is always there: this machine's own `/usr`, read-only.
pub const HOST_IMAGE: &str = "host";

/// Events a watcher may be behind before it is told to list again.
const EVENTS: usize = 256;

/// The [`Backend`] that makes sandboxes on this machine.
///
/// Dropping it stops watching the sandboxes; ephemeral ones end then, persistent ones live on.
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    host: Host,
    capabilities: Capabilities,
    lifetime: Lifetime,
    limits: sandbox_isolation::Limits,
    shared_paths: Vec<PathBuf>,
    images: Option<Images>,
    program: PathBuf,
    state: StateDir,
    locks: IdLocks,
    /// Bounds how many sandboxes are being made at the same time: each takes a thread and some short-lived processes.
    making: Semaphore,
    sessions: Mutex<HashMap<SessionId, Arc<Live>>>,
    events: broadcast::Sender<Event>,
    runtime: tokio::runtime::Handle,
    /// Dropped after everything above.
    closed: watch::Sender<()>,
}

impl Embedded {
    /// Takes the state directory, adopts the sandboxes that live and sweeps what is left of the others.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when another server uses the state directory or this machine cannot make
    /// sandboxes; the sources say what to do about it. [`ErrorKind::Unsupported`] for limits no sandbox could start
    /// with and shared paths that are not there.
    pub async fn open(config: EmbeddedConfig) -> Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let inner = blocking(move || Inner::open(config, runtime)).await?;
        let inner = Arc::new(inner);
        adopt::adopt_sessions(&inner).await?;
        Ok(Self { inner })
    }

    /// Tells when the backend has been dropped, the work it had begun is done, and its state directory is free for
    /// another.
    #[must_use]
    pub fn closed(&self) -> Closed {
        Closed(self.inner.closed.subscribe())
    }
}

/// Waits for the end of an [`Embedded`].
#[derive(Debug)]
pub struct Closed(watch::Receiver<()>);

impl Closed {
    /// Returns once nothing of the backend is left in this process.
    pub async fn wait(mut self) {
        // Nothing is ever sent: an error is the end of the sender.
        while self.0.changed().await.is_ok() {}
    }
}

impl Inner {
    fn open(config: EmbeddedConfig, runtime: tokio::runtime::Handle) -> Result<Self> {
        let unavailable = |message: &str| Error::new(ErrorKind::Unavailable, message);
        config.check()?;
        let host = Host::probe()
            .map_err(|error| unavailable("this machine cannot make sandboxes").with_source(error))?;
        let images = config.images.as_ref().map(Images::open).transpose()?;
        let state = match config.lifetime {
            Lifetime::Persistent => StateDir::open(&config.state_dir),
            Lifetime::Ephemeral => StateDir::create_below(&config.state_dir).map(|(state, left)| {
                adopt::sweep_left(&host, left);
                state
            }),
        };
        let state =
            state.map_err(|error| unavailable("cannot take the state directory").with_source(error))?;
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        Ok(Self {
            capabilities: capabilities(&host, images.is_some()),
            host,
            lifetime: config.lifetime,
            limits: isolation_limits(config.limits),
            shared_paths: config.shared_paths,
            images,
            program: config.program,
            state,
            locks: IdLocks::default(),
            making: Semaphore::new(4 * threads),
            sessions: Mutex::default(),
            events: broadcast::channel(EVENTS).0,
            runtime,
            closed: watch::channel(()).0,
        })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Live>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: SessionId) -> Result<Arc<Live>> {
        self.sessions()
            .get(&id)
            .cloned()
            .ok_or_else(|| Error::not_found(id))
    }

    fn durability(&self) -> Durability {
        match self.lifetime {
            Lifetime::Persistent => Durability::Disk,
            Lifetime::Ephemeral => Durability::None,
        }
    }

    fn announce(&self, event: Event) {
        // Fails when nobody watches, which is nobody's loss.
        let _ = self.events.send(event);
    }
}

#[async_trait]
impl Backend for Embedded {
    fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    async fn create(&self, id: SessionId, spec: &Spec) -> Result<Created> {
        let (inner, spec) = (self.inner.clone(), spec.clone());
        let unclaimed = to_its_end(async move {
            let created = inner.clone().create(id, spec).await?;
            Ok(Unclaimed::new(inner, created))
        });
        Ok(unclaimed.await?.claim())
    }

    async fn get(&self, id: SessionId) -> Result<Option<Record>> {
        Ok(self.inner.sessions().get(&id).map(|live| live.record()))
    }

    async fn list(&self, query: &Query, page: Page) -> Result<Listing> {
        let age = |record: &Record| (record.created_at, record.id);
        let mut found: Vec<_> = self
            .inner
            .sessions()
            .values()
            .filter(|live| live.look(|record| query.matches(record)))
            .map(|live| (live.look(age), live.clone()))
            .collect();
        found.sort_by_key(|(age, _)| *age);
        let total = found.len() as u64;
        let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let page = found.into_iter().skip(skip).take(limit);
        Ok(Listing {
            // Only these are copied, and looked at again: what has changed meanwhile may not match any more.
            records: page
                .map(|(_, live)| live.record())
                .filter(|record| query.matches(record))
                .collect(),
            total,
        })
    }

    async fn update(&self, id: SessionId, patch: &Patch, if_match: Option<Revision>) -> Result<Record> {
        to_its_end(self.inner.clone().update(id, patch.clone(), if_match)).await
    }

    async fn dial(&self, id: SessionId, deadline: Instant) -> Result<BoxIo> {
        if self.inner.find(id)?.record().state == State::Paused {
            return Err(Error::new(ErrorKind::InvalidState, "the session is paused"));
        }
        let dir = self.inner.state.session(id);
        let unavailable = || {
            Error::new(
                ErrorKind::Unavailable,
                format!("the agent of session {id} does not answer"),
            )
        };
        match timeout_at(deadline, UnixStream::connect(dir.socket())).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(unavailable().with_source(error)),
            Err(elapsed) => Err(unavailable().with_source(elapsed)),
        }
    }

    async fn access(&self, id: SessionId) -> Result<Access> {
        Ok(self.inner.find(id)?.access().clone())
    }

    async fn pause(&self, id: SessionId) -> Result<Record> {
        to_its_end(self.inner.clone().switch(id, State::Paused)).await
    }

    async fn resume(&self, id: SessionId) -> Result<Record> {
        to_its_end(self.inner.clone().switch(id, State::Running)).await
    }

    async fn stats(&self, id: SessionId) -> Result<Option<Stats>> {
        let live = self.inner.find(id)?;
        blocking(move || live.stats().map(Some)).await
    }

    async fn destroy(&self, id: SessionId, if_match: Option<Revision>) -> Result<Destroyed> {
        to_its_end(self.inner.clone().destroy(id, if_match)).await
    }

    fn watch(&self) -> BoxStream<'static, Event> {
        stream::unfold(self.inner.events.subscribe(), |mut events| async move {
            match events.recv().await {
                Ok(event) => Some((event, events)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Event::Resync, events)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded")
            .field("state_dir", &self.inner.state.path())
            .finish_non_exhaustive()
    }
}

/// Runs system calls that may wait, where they hold up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(ended_early(error)))
}

/// Runs `work` to its end also when the caller stops waiting: half a change would be worse than one nobody waits for.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|error| Err(ended_early(error)))
}

fn ended_early(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "the work ended before it was done").with_source(error)
}

fn capabilities(host: &Host, oci_images: bool) -> Capabilities {
    let found = host.capabilities();
    let missing = found.missing.iter().map(|missing| Missing {
        what: missing.what.to_owned(),
        why: missing.why.clone(),
        remedy: missing.remedy.to_owned(),
    });
    Capabilities {
        pause: found.pause,
        stats: true,
        images: vec![HOST_IMAGE.to_owned()],
        oci_images,
        missing: missing.collect(),
    }
}

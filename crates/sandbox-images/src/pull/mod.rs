//! Pulls: one for all who want the same image, and each of them learns how it goes.

mod attempts;
mod blob;
mod fetch;
mod policy;
mod progress;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;

use self::fetch::Fetch;
pub use self::policy::{ParsePullPolicyError, PullPolicy};
pub use self::progress::Progress;
use self::progress::{Report, State};
use crate::blocking::blocking;
use crate::images::Leased;
use crate::registry::{Registries, RegistryConfig};
use crate::{Error, ErrorKind, ImageName, Images, Result};

/// Brings images from registries into a store. Cheap to clone.
///
/// ```no_run
/// use sandbox_images::{ImageName, Images, PullPolicy, Puller, RegistryConfig};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let images = Images::open("/var/lib/sandbox/images", Some(20 << 30))?;
/// let puller = Puller::new(images, RegistryConfig::default())?;
/// let name: ImageName = "python:3.11".parse()?;
/// let mut pull = puller.pull(&name, PullPolicy::Missing);
/// while let Some(progress) = pull.changed().await {
///     println!("{} of {:?} bytes", progress.bytes, progress.total);
/// }
/// println!("it is in {}", pull.finished().await?.tree.display());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Puller {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    images: Images,
    registries: Registries,
    runtime: Handle,
    running: Mutex<HashMap<Key, watch::Receiver<State>>>,
}

type Key = (ImageName, PullPolicy);

/// A pull that runs, or has ended. Clones are of the same one.
///
/// Dropping it leaves the pull running. For as long as it is held, the image that came of it stays in the store.
#[derive(Debug, Clone)]
pub struct Pull {
    name: ImageName,
    state: watch::Receiver<State>,
}

impl Puller {
    /// Pulls run on the runtime that this is called on, until they are done or it shuts down.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] outside of a Tokio runtime, and when what is configured cannot be used.
    pub fn new(images: Images, config: RegistryConfig) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|e| Error::new(ErrorKind::Config, "images are pulled on a runtime").with_source(e))?;
        Ok(Self {
            inner: Arc::new(Inner {
                images,
                registries: Registries::new(config)?,
                runtime,
                running: Mutex::default(),
            }),
        })
    }

    /// Starts a pull, or joins the one that runs for the same name and policy.
    ///
    /// It goes on when nobody waits any more. What another process pulls meanwhile is waited for rather than fetched
    /// twice.
    #[must_use]
    pub fn pull(&self, name: &ImageName, policy: PullPolicy) -> Pull {
        let key = (name.clone(), policy);
        let mut running = self.inner.running();
        if let Some(state) = running.get(&key) {
            return Pull {
                name: name.clone(),
                state: state.clone(),
            };
        }
        let (sender, state) = watch::channel(State::default());
        running.insert(key.clone(), state.clone());
        drop(running);
        let task = Task {
            inner: self.inner.clone(),
            key,
            report: Report::new(sender),
        };
        self.inner.runtime.spawn(task.run());
        Pull {
            name: name.clone(),
            state,
        }
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<State>>> {
        // No code that has it can leave it half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pull {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.state.borrow().progress
    }

    /// Waits until it is farther; `None` once it has ended. Nothing is lost when this is dropped.
    pub async fn changed(&mut self) -> Option<Progress> {
        self.state.changed().await.ok()?;
        let state = self.state.borrow_and_update();
        state.outcome.is_none().then_some(state.progress)
    }

    /// Waits for its end: the image, with a lease of the caller's own. Nothing is lost when this is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the registry has no such image or none for this platform, or it is not in the store
    /// and [`PullPolicy::Never`]; [`Unauthorized`](ErrorKind::Unauthorized),
    /// [`Unavailable`](ErrorKind::Unavailable), [`Invalid`](ErrorKind::Invalid),
    /// [`TooLarge`](ErrorKind::TooLarge), [`Store`](ErrorKind::Store).
    pub async fn finished(&mut self) -> Result<Leased> {
        let ended = self.state.wait_for(|state| state.outcome.is_some()).await;
        match ended.as_deref() {
            Ok(State {
                outcome: Some(Ok(image)),
                ..
            }) => image.share(),
            Ok(State {
                outcome: Some(Err(error)),
                ..
            }) => Err(error.clone()),
            // The runtime has shut down.
            _ => Err(Error::new(ErrorKind::Unavailable, "it was broken off").of_image(&self.name)),
        }
    }
}

/// A pull at work. However it ends, it is no longer there to be joined.
struct Task {
    inner: Arc<Inner>,
    key: Key,
    report: Report,
}

impl Task {
    async fn run(self) {
        let outcome = self.image().await.map_err(|error| error.of_image(&self.key.0));
        // In this order: who asks after it has ended starts another.
        self.forget();
        self.report.end(outcome.map(Arc::new));
    }

    async fn image(&self) -> Result<Leased> {
        let (name, policy) = &self.key;
        if *policy != PullPolicy::Always {
            let (images, sought) = (self.inner.images.clone(), name.clone());
            if let Some(image) = blocking(move || images.find(&sought)).await? {
                return Ok(image);
            }
        }
        if *policy == PullPolicy::Never {
            let message = "it is not in the store, and the policy is never to pull";
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let repositories = self.inner.registries.repositories(name)?;
        let store = self.inner.images.store().clone();
        Fetch::new(store, repositories, name, &self.report).image().await
    }

    fn forget(&self) {
        self.inner.running().remove(&self.key);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.report.has_ended() {
            self.forget();
        }
    }
}

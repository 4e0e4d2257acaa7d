//! The images that sandboxes are made from, beside this machine's own programs.

use std::path::PathBuf;
use std::time::Duration;

use sandbox_images::{ImageName, Images as Store, Leased, PullPolicy, Puller, RegistryConfig};
use tokio::time::timeout;

use crate::backend::{Error, ErrorKind, Result};

/// Bytes of an image's environment, names and values together: it goes to the agent with all else that one has to know,
/// and to each program.
const ENVIRONMENT: usize = 64 << 10;

/// How long a create waits for an image that is being pulled. Clients that do not know of it give up after half a minute;
/// by then they shall have heard that it goes on.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where images are kept, and where they come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImageStore {
    /// The store's directory, which several servers may share.
    pub dir: PathBuf,
    /// How many bytes it may grow to before images leave it that nobody uses; `None` for all there is room for.
    pub max_bytes: Option<u64>,
    /// When registries are asked for images.
    pub pull: PullPolicy,
    /// How registries are reached.
    pub registries: RegistryConfig,
}

impl ImageStore {
    /// A store in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_bytes: None,
            pull: PullPolicy::default(),
            registries: RegistryConfig::default(),
        }
    }

    /// Bounds its size.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Says when registries are asked.
    #[must_use]
    pub fn pull(mut self, policy: PullPolicy) -> Self {
        self.pull = policy;
        self
    }

    /// Says how registries are reached.
    #[must_use]
    pub fn registries(mut self, config: RegistryConfig) -> Self {
        self.registries = config;
        self
    }
}

/// The images of a server.
#[derive(Debug, Clone)]
pub(super) struct Images {
    puller: Puller,
    policy: PullPolicy,
}

impl Images {
    /// Blocking, on the runtime that pulls are to run on.
    pub(super) fn open(config: &ImageStore) -> Result<Self> {
        let failed = |error: sandbox_images::Error| {
            let message = format!("cannot use the image store {}", config.dir.display());
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        };
        let store = Store::open(&config.dir, config.max_bytes).map_err(failed)?;
        Ok(Self {
            puller: Puller::new(store, config.registries.clone()).map_err(failed)?,
            policy: config.pull,
        })
    }

    /// The image of this name, kept until the lease is dropped. A pull goes on when nobody waits for it any more.
    pub(super) async fn lease(&self, reference: &str) -> Result<Leased> {
        let name: ImageName = reference
            .parse()
            .map_err(|error| Error::new(ErrorKind::ImageInvalid, format!("image {reference}: {error}")))?;
        let mut pull = self.puller.pull(&name, self.policy);
        let leased = match timeout(PATIENCE, pull.finished()).await {
            Ok(pulled) => pulled.map_err(failure)?,
            Err(_) => return Err(pulling(&name, pull.progress())),
        };
        let environment: usize = leased
            .config
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if environment > ENVIRONMENT {
            let message =
                format!("image {name}: its environment has {environment} bytes, more than {ENVIRONMENT}");
            return Err(Error::new(ErrorKind::ImageTooLarge, message));
        }
        Ok(leased)
    }
}

fn pulling(name: &ImageName, progress: sandbox_images::Progress) -> Error {
    let far = match progress.total {
        _ if progress.unpacking => "all of it is here and being unpacked".to_owned(),
        Some(total) => format!("{} of {total} bytes are here", progress.bytes),
        None => "its registry has not said yet what it is".to_owned(),
    };
    let message = format!("image {name} is being pulled, and goes on to be: {far}");
    Error::new(ErrorKind::ImagePulling, message)
}

/// What went wrong with an image, for whoever asked for it.
fn failure(error: sandbox_images::Error) -> Error {
    use sandbox_images::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::NotFound => ErrorKind::ImageNotFound,
        Kind::Unauthorized => ErrorKind::ImageUnauthorized,
        Kind::Unavailable => ErrorKind::ImageUnavailable,
        Kind::Invalid => ErrorKind::ImageInvalid,
        Kind::TooLarge => ErrorKind::ImageTooLarge,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string()).with_source(error)
}

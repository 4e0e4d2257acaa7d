//! The images that sandboxes are made from, beside this machine's own programs.

use std::path::PathBuf;

use sandbox_images::{ImageName, Images as Store, Leased};

use crate::backend::{Error, ErrorKind, Result};

/// Bytes of an image's environment, names and values together: it goes to the agent with all else that one has to know,
/// and to each program.
const ENVIRONMENT: usize = 64 << 10;

/// Where images are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImageStore {
    /// The store's directory, which several servers may share.
    pub dir: PathBuf,
    /// How many bytes it may grow to before images leave it that nobody uses; `None` for all there is room for.
    pub max_bytes: Option<u64>,
}

impl ImageStore {
    /// A store in this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_bytes: None,
        }
    }

    /// Bounds its size.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }
}

/// The images of a server.
#[derive(Debug, Clone)]
pub(super) struct Images {
    store: Store,
}

impl Images {
    /// Blocking.
    pub(super) fn open(config: &ImageStore) -> Result<Self> {
        let store = Store::open(&config.dir, config.max_bytes).map_err(|error| {
            let message = format!("cannot open the image store {}", config.dir.display());
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        })?;
        Ok(Self { store })
    }

    /// The image of this name, kept until the lease is dropped. Blocking.
    pub(super) fn lease(&self, reference: &str) -> Result<Leased> {
        let name: ImageName = reference
            .parse()
            .map_err(|error| Error::new(ErrorKind::ImageInvalid, format!("image {reference}: {error}")))?;
        let leased = self.store.find(&name).map_err(|error| failure(&name, &error))?;
        let leased = leased.ok_or_else(|| {
            let message = format!("image {name} is not in this server's store");
            Error::new(ErrorKind::ImageNotFound, message)
        })?;
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

/// What went wrong with an image, for whoever asked for it.
fn failure(name: &ImageName, error: &sandbox_images::Error) -> Error {
    use sandbox_images::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::NotFound => ErrorKind::ImageNotFound,
        Kind::Unauthorized => ErrorKind::ImageUnauthorized,
        Kind::Unavailable => ErrorKind::ImageUnavailable,
        Kind::Invalid => ErrorKind::ImageInvalid,
        Kind::TooLarge => ErrorKind::ImageTooLarge,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("image {name}: {error}")).with_source(error.clone())
}

//! What can go wrong with images.

use std::fmt;
use std::sync::Arc;

use crate::ImageName;

/// The result of work on images.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such image, or none for this platform.
    NotFound,
    /// The registry wants credentials, or others.
    Unauthorized,
    /// The registry cannot be reached, or fails.
    Unavailable,
    /// The image breaks the rules for images, or is hostile.
    Invalid,
    /// The image, or what is in it, is beyond a bound.
    TooLarge,
    /// The store's own files cannot be read or written.
    Store,
    /// What was configured cannot be used.
    Config,
}

/// A failure: its kind, what was being done to which image, and the cause as [`source`](std::error::Error::source).
///
/// It can be cloned, since all who wait for one pull learn of its failure.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Says of which image this failure is.
    pub(crate) fn of_image(mut self, name: &ImageName) -> Self {
        self.message = format!("the image {name} cannot be pulled: {}", self.message);
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

//! What can go wrong in a backend.

use std::fmt;

use super::SessionId;

/// The result of a backend's work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such session.
    NotFound,
    /// The session is not in a state that allows this.
    InvalidState,
    /// The session is not at the revision the caller expected.
    Conflict,
    /// This backend cannot do it at all.
    Unsupported,
    /// The backend, or the session's agent, cannot be reached now.
    Unavailable,
    /// There is no such image.
    ImageNotFound,
    /// The image's registry wants credentials, or others.
    ImageUnauthorized,
    /// The image's registry cannot be reached now.
    ImageUnavailable,
    /// The image is being brought here, which goes on; whoever asks again later finds it.
    ImagePulling,
    /// What goes by the image's name cannot be run.
    ImageInvalid,
    /// The image is beyond a bound.
    ImageTooLarge,
    /// The sandbox could not be made.
    CreateFailed,
    /// Anything else; the sources say what.
    Internal,
}

/// A backend's failure: its kind, what was being done, and the cause as [`source`](std::error::Error::source).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind; `message` says what could not be done, without the cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// There is no session of this name.
    #[must_use]
    pub fn not_found(id: SessionId) -> Self {
        Self::new(ErrorKind::NotFound, format!("there is no session {id}"))
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
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

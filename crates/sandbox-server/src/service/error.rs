//! Why the service refuses or fails.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::backend::{self, SessionId};
use crate::descriptors;

/// When to ask again for an image that is being pulled: whoever asks waits again.
const PULLING: Duration = Duration::from_secs(1);

/// The result of a request.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of refusal or failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    InvalidParameter,
    ImageNotFound,
    ImageUnauthorized,
    ImageUnavailable,
    ImagePulling,
    ImageInvalid,
    ImageTooLarge,
    SessionNotFound,
    FileNotFound,
    FileExists,
    InvalidState,
    IdempotencyKeyReused,
    SessionEnded,
    TooLarge,
    TooManySessions,
    TooManyTunnels,
    Unsupported,
    Unavailable,
    CreateFailed,
    Internal,
}

/// A refusal or failure. The message and the details are for the caller of the API; the source is for the log.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) details: Map<String, Value>,
    /// After what time it makes sense to try again, where that is known.
    pub(crate) retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Map::new(),
            retry_after: None,
            source: None,
        }
    }

    /// A value of the request that is not allowed; `why` reads well after the name of the field.
    pub(crate) fn invalid(field: &str, why: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidParameter, format!("{field}: {why}")).detail("field", field)
    }

    pub(crate) fn session_not_found(id: SessionId) -> Self {
        Self::new(ErrorKind::SessionNotFound, format!("there is no session {id}"))
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    pub(crate) fn internal() -> Self {
        Self::new(ErrorKind::Internal, "the server failed to answer")
    }

    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
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

impl From<backend::Error> for Error {
    fn from(error: backend::Error) -> Self {
        use backend::ErrorKind as Kind;
        match error.kind() {
            _ if descriptors::ran_out(&error) => {
                Self::unavailable("the server has too many files open").caused_by(error)
            }
            Kind::NotFound => Self::new(ErrorKind::SessionNotFound, error.to_string()),
            Kind::InvalidState => Self::new(ErrorKind::InvalidState, error.to_string()),
            Kind::Unsupported => Self::new(ErrorKind::Unsupported, error.to_string()),
            Kind::Unavailable => Self::unavailable("the session cannot be reached now").caused_by(error),
            Kind::ImageNotFound => Self::new(ErrorKind::ImageNotFound, error.to_string()),
            Kind::ImageUnauthorized => {
                Self::new(ErrorKind::ImageUnauthorized, error.to_string()).caused_by(error)
            }
            Kind::ImageUnavailable => {
                Self::new(ErrorKind::ImageUnavailable, error.to_string()).caused_by(error)
            }
            Kind::ImagePulling => Self {
                retry_after: Some(PULLING),
                ..Self::new(ErrorKind::ImagePulling, error.to_string())
            },
            Kind::ImageInvalid => Self::new(ErrorKind::ImageInvalid, error.to_string()).caused_by(error),
            Kind::ImageTooLarge => Self::new(ErrorKind::ImageTooLarge, error.to_string()).caused_by(error),
            Kind::CreateFailed => {
                Self::new(ErrorKind::CreateFailed, "the sandbox could not be started").caused_by(error)
            }
            Kind::Conflict | Kind::Internal => Self::internal().caused_by(error),
        }
    }
}

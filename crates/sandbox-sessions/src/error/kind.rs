use std::fmt;

/// What went wrong, coarsely enough to decide what to do next.
///
/// New kinds may be added; a `match` needs a wildcard arm.
///
/// ```
/// use sandbox_sessions::{ErrorKind, SessionId};
///
/// let error = "not a UUID".parse::<SessionId>().unwrap_err();
/// let advice = match error.kind() {
///     ErrorKind::InvalidArgument => "correct the value",
///     ErrorKind::Unauthorized => "check the token",
///     ErrorKind::SessionNotFound => "create another session",
///     _ if error.is_retryable() => "try again later",
///     _ => "report it",
/// };
/// assert_eq!(advice, "correct the value");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The API could not be reached, or the connection broke before the answer was complete.
    Connection,
    /// No complete answer came within the request's HTTP timeout.
    Timeout,
    /// The bearer token is missing, wrong or expired (HTTP 401).
    Unauthorized,
    /// The session does not exist, has ended, or belongs to somebody else (HTTP 404 with the code
    /// `SESSION_NOT_FOUND`). A 404 that says anything else, such as a wrong base URL, is an [`Operation`]
    /// error, so that it is never mistaken for a session that is gone.
    ///
    /// [`Operation`]: ErrorKind::Operation
    SessionNotFound,
    /// Too many requests (HTTP 429); [`Error::rate_limit`](crate::Error::rate_limit) says when to come back.
    RateLimited,
    /// The API refused or failed the operation in any other way (any other HTTP status that is not a
    /// success).
    Operation,
    /// A value was refused before anything was sent, and the message names the value and its bounds; or what
    /// the caller gave to read a file from, or to write one to, failed.
    InvalidArgument,
    /// The API said the operation succeeded, but the answer is not what the API's contract promises. The
    /// operation may have taken effect.
    Decode,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection failed",
            Self::Timeout => "timed out",
            Self::Unauthorized => "unauthorized",
            Self::SessionNotFound => "session not found",
            Self::RateLimited => "rate limited",
            Self::Operation => "operation failed",
            Self::InvalidArgument => "invalid argument",
            Self::Decode => "unexpected answer",
        })
    }
}

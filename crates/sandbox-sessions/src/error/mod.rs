//! The one error of this crate.

mod from_api;
#[cfg(feature = "ssh")]
mod from_tunnel;
mod kind;
mod rate_limit;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde_json::{Map, Value};

pub(crate) use from_api::{broken_download, from_api_error, out_of_time};
#[cfg(feature = "ssh")]
pub(crate) use from_tunnel::from_tunnel_error;
pub use kind::ErrorKind;
pub use rate_limit::RateLimit;

/// The code of a 429 that means live sessions, not requests.
const SESSION_LIMIT_REACHED: &str = "SESSION_LIMIT_REACHED";

/// Why an operation failed.
///
/// [`kind`](Error::kind) says what to do about it; the other accessors hold whatever was learned on the way.
/// `Display` describes this layer only, and [`source`](StdError::source) carries the cause where there is
/// one, so that reporters which walk the chain print everything once. The token is never part of either.
///
/// For readers of the Python SDK:
///
/// | Python | here |
/// | --- | --- |
/// | `SandboxAPIError` | [`Error`] |
/// | `SandboxConnectionError` | [`ErrorKind::Connection`], [`ErrorKind::Timeout`] |
/// | `UnauthorizedError` | [`ErrorKind::Unauthorized`] |
/// | `SessionNotFoundError` | [`ErrorKind::SessionNotFound`] |
/// | `RateLimitError` | [`ErrorKind::RateLimited`] |
/// | `SandboxOperationError` | [`ErrorKind::Operation`], [`ErrorKind::Decode`] |
/// | `ValueError` | [`ErrorKind::InvalidArgument`] |
/// | `e.message` | [`Error::message`] |
/// | `e.error_code` | [`Error::error_code`] |
/// | `e.details` | [`Error::details`] |
/// | `e.status_code` | [`Error::status_code`] |
/// | `e.limit`, `e.remaining`, `e.reset` | [`Error::rate_limit`] |
///
/// ```no_run
/// use sandbox_sessions::{ErrorKind, SessionId, SessionsClient};
///
/// # async fn example(client: SessionsClient, id: SessionId) -> Result<(), sandbox_sessions::Error> {
/// match client.delete_session(&id).await {
///     Err(error) if error.kind() == ErrorKind::SessionNotFound => {} // somebody was faster
///     result => result?,
/// }
/// # Ok(())
/// # }
/// ```
///
/// What an error holds besides its kind is for whoever looks into it:
///
/// ```
/// use sandbox_sessions::{ErrorKind, SessionsClient};
///
/// let error = SessionsClient::new("ftp://api.sandbox.example.com", "your-token-here").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
/// eprintln!("{}", error.message());
///
/// // It was refused here: nobody was asked, and so nobody has answered.
/// assert_eq!(error.attempts(), 0);
/// assert_eq!((error.status_code(), error.error_code(), error.request_id()), (None, None, None));
/// assert!(error.details().is_empty() && error.rate_limit().is_none() && !error.is_retryable());
/// ```
// Boxed: an error is rare, and a small `Result` is moved about on every call.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Option<&'static str>,
    message: String,
    answer: Answer,
    attempts: u32,
    /// No connection could be made, so nothing of the request left this machine.
    unsent: bool,
    /// An attempt before the last one may have been carried out.
    maybe_done_before: bool,
    /// It would fail the same way again.
    permanent: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What an HTTP answer said, as far as one arrived.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: Option<StatusCode>,
    pub(crate) error_code: Option<String>,
    pub(crate) details: Map<String, Value>,
    pub(crate) request_id: Option<String>,
    pub(crate) rate_limit: Option<RateLimit>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: None,
            message: message.into(),
            answer: Answer::default(),
            attempts: 0,
            unsent: false,
            maybe_done_before: false,
            permanent: false,
            source: None,
        }))
    }

    /// `reason` continues a sentence that starts with the argument's name.
    pub(crate) fn invalid_argument(name: &str, reason: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, format!("{name} {reason}"))
    }

    pub(crate) fn with_answer(mut self, answer: Answer) -> Self {
        self.0.answer = answer;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    pub(crate) fn unsent(mut self) -> Self {
        self.0.unsent = true;
        self
    }

    pub(crate) fn permanent(mut self, permanent: bool) -> Self {
        self.0.permanent = permanent;
        self
    }

    /// Of the last of `attempts`; whether one of those before it may have been carried out.
    pub(crate) fn after(mut self, attempts: u32, maybe_done_before: bool) -> Self {
        self.0.attempts = attempts;
        self.0.maybe_done_before = maybe_done_before;
        self
    }

    /// What went wrong, coarsely.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What went wrong, in words: the API's own where it gave any, at most 1024 characters, with control
    /// characters replaced.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The API's code for the failure, such as `INVALID_TTL`; `HTTP_502` and the like if what answered with
    /// that status was not the API but, for instance, a proxy before it.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.0.answer.error_code.as_deref()
    }

    /// Further facts the API gave about the failure; empty when it gave none. If an answer was not in the
    /// API's format, `body` is its beginning: at most 256 characters, with control characters replaced.
    #[must_use]
    pub fn details(&self) -> &Map<String, Value> {
        &self.0.answer.details
    }

    /// The HTTP status of the answer, if one arrived.
    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        self.status().map(|status| status.as_u16())
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.0.answer.status
    }

    /// The API's identifier of the request, worth quoting to whoever runs the API.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.answer.request_id.as_deref()
    }

    /// How far an attempt to do something over SSH came; `None` for everything else.
    ///
    /// ```no_run
    /// use sandbox_sessions::ssh::Phase;
    ///
    /// # async fn example(session: sandbox_sessions::Session) {
    /// if let Err(error) = session.ssh().await
    ///     && error.ssh_phase() == Some(Phase::KeyExchange)
    /// {
    ///     eprintln!("something else answers in the place of the session: {error}");
    /// }
    /// # }
    /// ```
    #[cfg(feature = "ssh")]
    #[must_use]
    pub fn ssh_phase(&self) -> Option<crate::ssh::Phase> {
        let cause = self.0.source.as_deref()?.downcast_ref::<sandbox_tunnel::Error>();
        cause.map(sandbox_tunnel::Error::phase)
    }

    /// What the answer said about the rate limit. Usually present for [`ErrorKind::RateLimited`].
    #[must_use]
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.0.answer.rate_limit.as_ref()
    }

    /// How often the request was sent, or could not be sent for want of a connection: more than once if the
    /// client's [`RetryPolicy`](crate::RetryPolicy) allowed to repeat it, and 0 if a value was refused before.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) {
    /// if let Err(error) = client.list_sessions().await {
    ///     eprintln!("gave up after {} attempts: {error}", error.attempts());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call may succeed later without anybody changing anything: the connection failed, time
    /// ran out, too many requests were made, or the API (or a proxy before it) was unavailable. Too many live
    /// sessions (`SESSION_LIMIT_REACHED`) are not among it, since what helps is to delete one.
    ///
    /// This says nothing about whether the failed attempts took effect. After a lost connection a session may
    /// have been created all the same.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        if self.0.permanent {
            return false;
        }
        match self.0.kind {
            ErrorKind::Connection | ErrorKind::Timeout => true,
            ErrorKind::RateLimited => self.error_code() != Some(SESSION_LIMIT_REACHED),
            ErrorKind::Operation => self.0.answer.status.is_some_and(is_temporary),
            ErrorKind::Unauthorized
            | ErrorKind::SessionNotFound
            | ErrorKind::InvalidArgument
            | ErrorKind::Decode => false,
        }
    }

    /// Whether the attempt that failed has certainly had no effect.
    ///
    /// No status but 429 proves that. A limit is checked before the request is looked at; but proxies answer
    /// with 502, 503 and 504 also when they lost a server that was at work on the request, and servers have used
    /// 408 for code that ran too long.
    pub(crate) fn is_surely_unprocessed(&self) -> bool {
        self.0.unsent || self.0.kind == ErrorKind::RateLimited
    }

    /// Whether an attempt before the last one may have had an effect.
    pub(crate) fn maybe_done_before(&self) -> bool {
        self.0.maybe_done_before
    }

    /// How long the API asks to stay away.
    pub(crate) fn advised_wait(&self, now: DateTime<Utc>) -> Option<Duration> {
        let limit = self.rate_limit()?;
        // Every answer tells the reset; it is a reason to wait only when the limit has been hit.
        let reset = limit.reset().filter(|_| self.0.kind == ErrorKind::RateLimited);
        let until_reset = || (reset? - now).to_std().ok();
        limit.retry_after().or_else(until_reset)
    }
}

/// Whether an answer with this status says that there may be another one later.
fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.0.message)?;
        let mut separator = " (";
        if let Some(code) = self.error_code() {
            write!(f, "{separator}{code}")?;
            separator = ", ";
        }
        if let Some(status) = self.status_code() {
            write!(f, "{separator}HTTP {status}")?;
            separator = ", ";
        }
        if let Some(id) = self.request_id() {
            write!(f, "{separator}request {id}")?;
            separator = ", ";
        }
        if self.attempts() > 1 {
            write!(f, "{separator}{} attempts", self.attempts())?;
            separator = ", ";
        }
        if separator == ", " {
            f.write_str(")")
        } else {
            Ok(())
        }
    }
}

/// Shows what is known and leaves out what is not.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            operation,
            message,
            answer,
            attempts,
            source,
            ..
        } = &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("kind", kind);
        if let Some(operation) = operation {
            shown.field("operation", operation);
        }
        shown.field("message", message);
        if *answer != Answer::default() {
            shown.field("answer", answer);
        }
        if *attempts > 1 {
            shown.field("attempts", attempts);
        }
        if let Some(source) = source {
            shown.field("source", source);
        }
        shown.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

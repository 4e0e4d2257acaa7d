use std::time::Duration;

use crate::Error;

/// Whether, how often and for how long the client repeats requests that failed, set with
/// [`SessionsClientBuilder::retries`](crate::SessionsClientBuilder::retries).
///
/// # What is repeated
///
/// | the failure | reads and deletions, creation with a key, connecting over SSH | everything else |
/// | --- | --- | --- |
/// | no connection could be made, but for a certificate that is not trusted | yes | yes: nothing was sent |
/// | HTTP 429, except `SESSION_LIMIT_REACHED` | yes | yes: it is refused before it is looked at |
/// | the connection was lost, or no answer came in time | yes | no |
/// | HTTP 408, 502, 503, 504 | yes | no: a proxy says so, too, of a request that it passed on |
/// | anything else | no | no |
///
/// Everything else is what could be done twice by repeating it: running code and commands, pausing, resuming.
/// For the creation of sessions see [`idempotency_key`](crate::CreateSession::idempotency_key). An upload whose
/// content is a stream is sent once, and so is a health check: that the API cannot serve is its answer.
///
/// Connecting over SSH is repeated as a whole, from the tunnel to the login: before that nothing has been done. What
/// another attempt would not change (a certificate or a host key that is not the expected one) is not.
///
/// A deletion that was repeated because its answer was lost, and then finds no session, has succeeded: the
/// first attempt had done it.
///
/// # How long it waits
///
/// Before the second attempt a random time between zero and [`initial_backoff`](Self::initial_backoff); the
/// bound doubles with each further attempt up to [`max_backoff`](Self::max_backoff). Random over the whole
/// range, so that clients that failed together do not come back together. Where the API says how long to stay
/// away (`Retry-After`, or the reset of the rate limit), that time comes on top, if it is not longer than
/// [`rate_limit_wait`](Self::rate_limit_wait); otherwise the error is returned at once.
///
/// `SESSION_LIMIT_REACHED` is never waited for: time does not free a session, deleting one does.
///
/// # When it gives up
///
/// After [`max_attempts`](Self::max_attempts), or when [`total_time`](Self::total_time) is over or would be
/// before the next attempt. The error is that of the last attempt;
/// [`Error::attempts`](crate::Error::attempts) says how many there were.
///
/// ```
/// use std::time::Duration;
/// use sandbox_sessions::{RetryPolicy, SessionsClient};
///
/// let patient = RetryPolicy::default()
///     .max_attempts(8)
///     .total_time(Duration::from_secs(300))
///     .rate_limit_wait(Duration::from_secs(90));
/// let client = SessionsClient::builder()
///     .url("https://api.sandbox.example.com/v1")
///     .token("your-token-here")
///     .retries(patient)
///     .build()?;
/// # Ok::<(), sandbox_sessions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a policy has an effect when it is given to a client's builder"]
pub struct RetryPolicy {
    pub(super) max_attempts: u32,
    total_time: Option<Duration>,
    initial_backoff: Duration,
    max_backoff: Duration,
    pub(super) rate_limit_wait: Duration,
}

/// Four attempts within 0.7 s on average: enough for a connection that was reset or a proxy that is reloaded.
/// A longer outage is for the caller to wait for or to report.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            total_time: None,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            // Half of the period of one minute over which limits are commonly counted.
            rate_limit_wait: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// One attempt, whatever comes of it.
    ///
    /// ```
    /// use sandbox_sessions::RetryPolicy;
    ///
    /// assert_eq!(RetryPolicy::none(), RetryPolicy::default().max_attempts(1));
    /// ```
    pub fn none() -> Self {
        Self::default().max_attempts(1)
    }

    /// How often a request is sent at most, the first time included. The default is 4; zero is refused when
    /// the client is built.
    ///
    /// ```
    /// # use sandbox_sessions::RetryPolicy;
    /// let policy = RetryPolicy::default().max_attempts(2);
    /// ```
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// How long an operation may take with all its attempts and the pauses between them. An attempt that is
    /// under way when the time is over is abandoned. Zero is refused when the client is built.
    ///
    /// The default is twice the client's [`timeout`](crate::SessionsClientBuilder::timeout), 60 s if that has
    /// not been changed: room for an attempt that gets no answer and for another one. Running code or a command
    /// may take its own timeout on top.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sandbox_sessions::RetryPolicy;
    /// let policy = RetryPolicy::default().total_time(Duration::from_secs(120));
    /// ```
    pub fn total_time(mut self, time: Duration) -> Self {
        self.total_time = Some(time);
        self
    }

    /// The most that is waited before the second attempt. The default is 200 ms.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sandbox_sessions::RetryPolicy;
    /// let policy = RetryPolicy::default().initial_backoff(Duration::from_secs(1));
    /// ```
    pub fn initial_backoff(mut self, backoff: Duration) -> Self {
        self.initial_backoff = backoff;
        self
    }

    /// The most that is waited before any attempt, unless the API asks for more. The default is 5 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sandbox_sessions::RetryPolicy;
    /// let policy = RetryPolicy::default().max_backoff(Duration::from_secs(20));
    /// ```
    pub fn max_backoff(mut self, backoff: Duration) -> Self {
        self.max_backoff = backoff;
        self
    }

    /// How long the API may ask to stay away, with `Retry-After` or the reset of its rate limit, for the client
    /// to wait; if it asks for more, its error is returned at once. The default is 30 s. The time counts towards
    /// [`total_time`](Self::total_time).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sandbox_sessions::RetryPolicy;
    /// let policy = RetryPolicy::default().rate_limit_wait(Duration::ZERO);
    /// ```
    pub fn rate_limit_wait(mut self, wait: Duration) -> Self {
        self.rate_limit_wait = wait;
        self
    }

    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a policy under which nothing would
    /// ever be sent.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.max_attempts == 0 {
            return Err(Error::invalid_argument("retries", "allow no attempt at all"));
        }
        if self.total_time.is_some_and(|time| time.is_zero()) {
            return Err(Error::invalid_argument("retries", "have a total time of zero"));
        }
        Ok(())
    }

    /// How long all attempts of an operation may take, of which each may take as long as `attempt`. What
    /// `attempt` has above the client's `timeout` is the time that the operation itself was given.
    pub(crate) fn total_for(&self, attempt: Duration, timeout: Duration) -> Duration {
        let own = attempt.saturating_sub(timeout);
        self.total_time
            .unwrap_or(timeout.saturating_mul(2))
            .saturating_add(own)
    }

    /// The most that is waited after `failed` attempts.
    pub(super) fn backoff(&self, failed: u32) -> Duration {
        let factor = 1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX);
        self.initial_backoff.saturating_mul(factor).min(self.max_backoff)
    }
}

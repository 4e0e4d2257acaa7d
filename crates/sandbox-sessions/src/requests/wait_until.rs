use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::sleep;

use super::pauses::Pauses;
use crate::{Error, Session};

/// A wait for something to become true of a session, made by [`Session::wait_until`]; awaiting it asks the API
/// for the session's state until it is so.
///
/// The API is asked at once and then after pauses, of which each is twice as long as the one before, from
/// 50 ms to the [interval](Self::interval). The handle has the last state that was told. Dropping the future
/// ends the wait.
///
/// ```no_run
/// use std::time::Duration;
///
/// # async fn example(mut session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// session.wait_until(|session| session.last_activity_at().is_some()).timeout(Duration::from_secs(10)).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if it does not become true in time, and as
/// [`GetSession`](crate::GetSession): a session that ends is [`SessionNotFound`](crate::ErrorKind::SessionNotFound).
#[must_use = "the API is asked only when this is awaited"]
pub struct WaitUntil<'a, F> {
    session: &'a mut Session,
    condition: F,
    pauses: Pauses,
}

impl<'a, F: FnMut(&Session) -> bool> WaitUntil<'a, F> {
    pub(crate) fn new(session: &'a mut Session, condition: F) -> Self {
        Self {
            session,
            condition,
            pauses: Pauses::default(),
        }
    }

    /// How long to wait at most. The default is 60 s. The API is asked at least once.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.pauses.timeout = timeout;
        self
    }

    /// How long the pauses between two questions become. The default is 1 s.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn example(mut session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// session.wait_until_running().interval(Duration::from_millis(100)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.pauses.interval = interval;
        self
    }

    async fn run(mut self) -> Result<(), Error> {
        let mut pauses = self.pauses.start();
        loop {
            self.session.refresh().await?;
            if (self.condition)(self.session) {
                return Ok(());
            }
            sleep(pauses.next(self.session.status())?).await;
        }
    }
}

impl<'a, F> IntoFuture for WaitUntil<'a, F>
where
    F: FnMut(&Session) -> bool + Send + 'a,
{
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F> fmt::Debug for WaitUntil<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitUntil")
            .field("id", &self.session.id())
            .field("pauses", &self.pauses)
            .finish_non_exhaustive()
    }
}

use std::fmt;
use std::time::Duration;

use super::Session;
use crate::Error;
use crate::requests::Pauses;

/// A wait for something to become true of a session, made by [`Session::wait_until`]; see
/// [`WaitUntil`](crate::WaitUntil).
///
/// ```no_run
/// use std::time::Duration;
///
/// # fn example(mut session: sandbox_sessions::blocking::Session) -> Result<(), sandbox_sessions::Error> {
/// session.wait_until(|session| session.last_activity_at().is_some()).timeout(Duration::from_secs(10)).send()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the API is asked only by `send`"]
pub struct WaitUntil<'a, F> {
    session: &'a mut Session,
    condition: F,
    pauses: Pauses,
}

impl<'a, F: FnMut(&Session) -> bool> WaitUntil<'a, F> {
    pub(super) fn new(session: &'a mut Session, condition: F) -> Self {
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
    /// # fn example(mut session: sandbox_sessions::blocking::Session) -> Result<(), sandbox_sessions::Error> {
    /// session.wait_until_running().interval(Duration::from_millis(100)).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.pauses.interval = interval;
        self
    }

    /// Asks the API until it is so.
    ///
    /// # Errors
    ///
    /// As [`WaitUntil`](crate::WaitUntil).
    pub fn send(mut self) -> Result<(), Error> {
        let mut pauses = self.pauses.start();
        loop {
            self.session.refresh()?;
            if (self.condition)(self.session) {
                return Ok(());
            }
            std::thread::sleep(pauses.next(self.session.status())?);
        }
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

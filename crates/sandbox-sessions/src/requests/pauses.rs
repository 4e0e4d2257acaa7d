use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, ErrorKind, SessionStatus};

const FIRST: Duration = Duration::from_millis(50);

/// How a wait for a session is spread over time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    /// How long to wait at most.
    pub(crate) timeout: Duration,
    /// The longest pause.
    pub(crate) interval: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            interval: Duration::from_secs(1),
        }
    }
}

impl Pauses {
    pub(crate) fn start(self) -> Running {
        Running {
            pauses: self,
            start: Instant::now(),
            next: FIRST,
        }
    }
}

/// The pauses of a wait that has begun.
pub(crate) struct Running {
    pauses: Pauses,
    start: Instant,
    next: Duration,
}

impl Running {
    /// How long to pause before the next question, of which each is twice as long as the one before.
    ///
    /// # Errors
    ///
    /// When the time is up.
    pub(crate) fn next(&mut self, status: &SessionStatus) -> Result<Duration, Error> {
        let Pauses { timeout, interval } = self.pauses;
        let pause = self.next.min(interval);
        if self.start.elapsed().saturating_add(pause) > timeout {
            let message = format!(
                "what was waited for did not become true within {timeout:?}; the session is {status}"
            );
            return Err(Error::new(ErrorKind::Timeout, message).during("wait for session"));
        }
        self.next = self.next.saturating_mul(2);
        Ok(pause)
    }
}

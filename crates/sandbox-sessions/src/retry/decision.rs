use std::time::Duration;

use chrono::{DateTime, Utc};

use super::RetryPolicy;
use crate::Error;

/// When a request may be sent again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Done twice is as good as done once: it reads, it deletes, or a key makes it so.
    Always,
    /// Done twice may be once too often, so only a request that was surely not carried out is sent again.
    OnlyIfUnprocessed,
    /// Not even then: its body is a stream that is used up, or the failure is the answer that is wanted.
    Never,
}

impl RetryPolicy {
    /// How long to wait before the next attempt, or `None` if there is to be none. `jitter` picks from the times
    /// up to the one it is given.
    pub(super) fn pause(
        &self,
        repeat: Repeat,
        failed: u32,
        error: &Error,
        now: DateTime<Utc>,
        jitter: impl Fn(Duration) -> Duration,
    ) -> Option<Duration> {
        if failed >= self.max_attempts || !may_repeat(repeat, error) {
            return None;
        }
        let advised = error.advised_wait(now).unwrap_or_default();
        // Never earlier than the API said, and not at the same moment as everybody else.
        (advised <= self.rate_limit_wait).then(|| advised.saturating_add(jitter(self.backoff(failed))))
    }
}

fn may_repeat(repeat: Repeat, error: &Error) -> bool {
    error.is_retryable()
        && match repeat {
            Repeat::Always => true,
            Repeat::OnlyIfUnprocessed => error.is_surely_unprocessed(),
            Repeat::Never => false,
        }
}

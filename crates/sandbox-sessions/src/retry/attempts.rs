use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep};

use super::RetryPolicy;
use crate::Error;
use crate::send::Operation;

/// The attempts at one operation. What an attempt is, is the caller's to say.
pub(crate) struct Attempts<'a> {
    pub(crate) policy: &'a RetryPolicy,
    pub(crate) operation: Operation,
    /// How long one attempt may take.
    pub(crate) each: Duration,
    /// How long all of them may take, with the pauses between them.
    pub(crate) all: Duration,
}

impl Attempts<'_> {
    /// Calls `attempt`, with the time it may take, until it succeeds or is not to be repeated. Says also how often
    /// it was called; an error knows that itself.
    pub(crate) async fn run<T, F>(
        &self,
        attempt: impl Fn(Duration) -> F,
        jitter: impl Fn(Duration) -> Duration,
    ) -> Result<(T, u32), Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let start = Instant::now();
        let left = || self.all.saturating_sub(start.elapsed());
        let mut number = 0;
        let mut maybe_done = false;
        loop {
            number += 1;
            let error = match attempt(self.each.min(left())).await {
                Ok(done) => return Ok((done, number)),
                Err(error) => error.after(number, maybe_done),
            };
            let pause = self
                .policy
                .pause(self.operation.repeat, number, &error, Utc::now(), &jitter)
                .filter(|&pause| pause < left());
            let Some(pause) = pause else {
                return Err(error);
            };
            maybe_done |= !error.is_surely_unprocessed();
            self.tell(number, &error, pause);
            sleep(pause).await;
        }
    }

    /// Says why and when the request is sent again: nothing the API wrote, which may be long or not for logs.
    fn tell(&self, number: u32, error: &Error, pause: Duration) {
        tracing::info!(
            operation = self.operation.name,
            session = self.operation.session.map(tracing::field::display),
            attempt = number,
            reason = %error.kind(),
            status = error.status_code(),
            wait_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "an attempt failed; the request is sent again",
        );
    }
}

/// Any time up to `most`, each as likely as the others.
pub(crate) fn full_jitter(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

use std::error::Error as StdError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Whether an upload still moves, and what stopped it if that was its own content.
pub(crate) struct Progress(Mutex<State>);

struct State {
    /// Since when the network has been working on what it was given; `None` while it
    /// waits for content or for the next attempt.
    busy_since: Option<Instant>,
    failure: Option<Box<dyn StdError + Send + Sync>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            busy_since: Some(Instant::now()),
            failure: None,
        }))
    }

    pub(crate) fn network_is_busy(&self) {
        self.state().busy_since = Some(Instant::now());
    }

    pub(crate) fn network_is_idle(&self) {
        self.state().busy_since = None;
    }

    pub(super) fn content_failed(&self, error: Box<dyn StdError + Send + Sync>) {
        self.state().failure = Some(error);
    }

    /// The reason why the content ended before its end.
    pub(crate) fn take_failure(&self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.state().failure.take()
    }

    /// Returns once the network has been busy for `patience` without taking more.
    pub(crate) async fn stalled(&self, patience: Duration) {
        loop {
            let now = Instant::now();
            // Whoever begins to wait for the network later is still looked at in time.
            let since = self.state().busy_since;
            let Some(deadline) = since.unwrap_or(now).checked_add(patience) else {
                return std::future::pending().await;
            };
            if deadline <= now && since.is_some() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn after(wait: Duration, progress: &Progress) -> Option<Duration> {
        let start = Instant::now();
        tokio::time::timeout(wait, progress.stalled(PATIENCE))
            .await
            .ok()
            .map(|()| start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_takes_nothing_is_stalled() {
        let progress = Progress::new();
        assert_eq!(after(2 * PATIENCE, &progress).await, Some(PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn every_step_starts_the_clock_again() {
        let progress = Progress::new();
        for _ in 0..10 {
            assert_eq!(after(PATIENCE / 2, &progress).await, None);
            progress.network_is_busy();
        }
        assert_eq!(after(2 * PATIENCE, &progress).await, Some(PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_content_is_no_stall_until_the_network_has_it() {
        let progress = Progress::new();
        progress.network_is_idle();
        assert_eq!(after(100 * PATIENCE, &progress).await, None);
        let stalled = async {
            progress.stalled(PATIENCE).await;
            Instant::now()
        };
        let content = async {
            tokio::time::sleep(PATIENCE / 3).await;
            progress.network_is_busy();
            Instant::now()
        };
        let (stalled, content) = tokio::join!(stalled, content);
        assert_eq!(stalled - content, PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn endless_patience_never_ends() {
        let progress = Progress::new();
        let stalled = progress.stalled(Duration::MAX);
        assert!(tokio::time::timeout(PATIENCE * 1000, stalled).await.is_err());
    }
}

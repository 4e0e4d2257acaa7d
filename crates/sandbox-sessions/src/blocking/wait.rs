//! From a future to its result.

use std::sync::mpsc;
use std::task::{Context, Waker};

use tokio::runtime::Handle;
use tokio::task::coop;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::background::Background;
use crate::{Error, ErrorKind};

/// More steps than any runtime lets a task make before it has to give way.
const STEPS: usize = 1024;

/// Runs a future on the background thread and waits for its end.
pub(super) fn wait_for<T, F>(future: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    if is_in_task() {
        let message =
            "blocking calls cannot be made in an async task; use the async client, or spawn_blocking";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    let (sender, result) = mpsc::sync_channel(1);
    let future = async move {
        let _ = sender.send(future.await);
    };
    // What is traced belongs where the caller is.
    Background::get()?.spawn(future.in_current_span().with_current_subscriber());
    result.recv().unwrap_or_else(|_| {
        let message = "what was given to the request panicked";
        Err(Error::new(ErrorKind::InvalidArgument, message))
    })
}

/// Whether this thread is in the middle of polling a task, and others may wait for it.
///
/// A thread of `spawn_blocking` has a runtime too, but may block. What tells them apart is that a task has a number of
/// steps after which it is to give way, and such a thread has not.
fn is_in_task() -> bool {
    if Handle::try_current().is_err() {
        return false;
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut steps = Vec::new();
    while steps.len() < STEPS
        && coop::has_budget_remaining()
        && let std::task::Poll::Ready(step) = coop::poll_proceed(&mut context)
    {
        steps.push(step);
    }
    let has_end = !coop::has_budget_remaining();
    // Each step that is dropped is given back; the last is dropped first, so that all of them are.
    while steps.pop().is_some() {}
    has_end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_told_from_threads_that_may_wait() {
        assert!(!is_in_task());
        for runtime in [
            tokio::runtime::Builder::new_current_thread().build().unwrap(),
            tokio::runtime::Builder::new_multi_thread().build().unwrap(),
        ] {
            assert!(runtime.block_on(async { is_in_task() }));
            assert!(runtime.block_on(async { tokio::spawn(async { is_in_task() }).await.unwrap() }));
            let blocking = runtime.spawn_blocking(is_in_task);
            assert!(!runtime.block_on(blocking).unwrap());
            let _entered = runtime.enter();
            assert!(!is_in_task());
        }
    }

    #[test]
    fn asking_costs_a_task_nothing() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for _ in 0..100 {
                assert!(is_in_task());
                assert!(coop::has_budget_remaining());
            }
        });
    }
}

//! The decisions and the delays, on a clock that stands still unless somebody waits.

use std::cell::RefCell;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, sleep};

use super::{Attempts, Repeat, RetryPolicy, full_jitter};
use crate::error::{Answer, RateLimit};
use crate::send::Operation;
use crate::{Error, ErrorKind};

const TIMEOUT: Duration = Duration::from_secs(30);
const TOTAL: Duration = Duration::from_secs(60);

/// How an attempt can fail.
#[derive(Clone, Copy, Debug)]
enum Failure {
    NoConnection,
    Lost,
    Silence,
    Decode,
    Status(u16),
    RetryAfter(u16, u64),
    /// The rate limit is reset in so many seconds.
    Reset(u16, i64),
    SessionLimit,
}
use Failure::*;

impl Failure {
    fn error(self) -> Error {
        let answered = |status: u16, headers: &[(&'static str, String)]| {
            let status = StatusCode::from_u16(status).unwrap();
            let kind = match status {
                StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
                StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
                StatusCode::NOT_FOUND => ErrorKind::SessionNotFound,
                _ => ErrorKind::Operation,
            };
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            let code = matches!(self, SessionLimit).then(|| "SESSION_LIMIT_REACHED".to_owned());
            Error::new(kind, "refused").with_answer(Answer {
                status: Some(status),
                error_code: code,
                rate_limit: RateLimit::from_headers(&headers, Utc::now()),
                ..Answer::default()
            })
        };
        match self {
            NoConnection => Error::new(ErrorKind::Connection, "cannot connect").unsent(),
            Lost => Error::new(ErrorKind::Connection, "lost"),
            Silence => Error::new(ErrorKind::Timeout, "silence"),
            Decode => Error::new(ErrorKind::Decode, "nonsense"),
            Status(status) => answered(status, &[]),
            RetryAfter(status, seconds) => answered(status, &[("retry-after", seconds.to_string())]),
            Reset(status, seconds) => {
                // Rounded up, so that the wait is at least as long.
                let reset = Utc::now() + TimeDelta::seconds(seconds) + TimeDelta::milliseconds(999);
                answered(status, &[("x-ratelimit-reset", reset.timestamp().to_string())])
            }
            SessionLimit => answered(429, &[("retry-after", "1".to_owned())]),
        }
    }
}

fn attempts(policy: &RetryPolicy, repeat: Repeat) -> Attempts<'_> {
    Attempts {
        policy,
        operation: Operation::new("test").repeat(repeat),
        each: TIMEOUT,
        all: policy.total_for(TIMEOUT, TIMEOUT),
    }
}

/// Runs against attempts that fail at once, and returns the pauses between them.
async fn pauses(policy: &RetryPolicy, repeat: Repeat, failure: Failure) -> (Vec<Duration>, Error) {
    let times = RefCell::new(Vec::new());
    let attempt = async |_| {
        times.borrow_mut().push(Instant::now());
        Err::<(), _>(failure.error())
    };
    // The longest pause that may be drawn, so that it can be foretold.
    let error = attempts(policy, repeat)
        .run(attempt, |most| most)
        .await
        .unwrap_err();
    let times = times.into_inner();
    assert_eq!(error.attempts() as usize, times.len());
    (times.windows(2).map(|pair| pair[1] - pair[0]).collect(), error)
}

fn is_about(actual: Duration, expected: f64) -> bool {
    // The clock ticks in milliseconds; the reset of a limit is told in whole seconds.
    (-0.002..1.1).contains(&(actual.as_secs_f64() - expected))
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_and_when() {
    const BACKOFF: &[f64] = &[0.2, 0.4, 0.8];
    const AFTER_7: &[f64] = &[7.2, 7.4, 7.8];
    const NO: &[f64] = &[];
    // The columns: reads, deletions and creation with a key; everything else; what cannot be repeated.
    let table = [
        (NoConnection, BACKOFF, BACKOFF),
        (Lost, BACKOFF, NO),
        (Silence, BACKOFF, NO),
        (Decode, NO, NO),
        (Status(400), NO, NO),
        (Status(401), NO, NO),
        (Status(404), NO, NO),
        (Status(408), BACKOFF, NO),
        (Status(409), NO, NO),
        (Status(429), BACKOFF, BACKOFF),
        (RetryAfter(429, 0), BACKOFF, BACKOFF),
        (RetryAfter(429, 7), AFTER_7, AFTER_7),
        (RetryAfter(429, 31), NO, NO),
        (RetryAfter(429, u64::MAX), NO, NO),
        (Reset(429, 7), AFTER_7, AFTER_7),
        (Reset(429, -7), BACKOFF, BACKOFF),
        (Reset(429, 3600), NO, NO),
        (SessionLimit, NO, NO),
        (Status(500), NO, NO),
        (Status(501), NO, NO),
        (Status(502), BACKOFF, NO),
        (Status(503), BACKOFF, NO),
        (RetryAfter(503, 7), AFTER_7, NO),
        (RetryAfter(503, 31), NO, NO),
        // Every answer tells the reset; only with a 429 does it say when to come back.
        (Reset(503, 3600), BACKOFF, NO),
        (Status(504), BACKOFF, NO),
    ];
    let policy = RetryPolicy::default();
    for (failure, always, only_if_unprocessed) in table {
        for (repeat, expected) in [
            (Repeat::Always, always),
            (Repeat::OnlyIfUnprocessed, only_if_unprocessed),
            (Repeat::Never, NO),
        ] {
            let (actual, error) = pauses(&policy, repeat, failure).await;
            let as_expected = actual.len() == expected.len()
                && actual
                    .iter()
                    .zip(expected)
                    .all(|(&actual, &expected)| is_about(actual, expected));
            assert!(
                as_expected,
                "{failure:?}, {repeat:?}: {actual:?}, expected {expected:?}"
            );
            assert_eq!(
                error.kind(),
                failure.error().kind(),
                "the last failure is the one that is told"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_their_bound() {
    let policy = RetryPolicy::default().max_attempts(40).total_time(Duration::MAX);
    let (pauses, _) = pauses(&policy, Repeat::Always, Lost).await;
    let expected = [200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis);
    assert!(pauses.starts_with(&expected), "{pauses:?}");
    assert_eq!(pauses.len(), 39);
    assert_eq!(pauses.last(), Some(&Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_retries_tries_once() {
    for failure in [NoConnection, RetryAfter(429, 0), Status(503)] {
        let (pauses, error) = pauses(&RetryPolicy::none(), Repeat::Always, failure).await;
        assert_eq!((pauses.len(), error.attempts()), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_waiting_can_be_moved() {
    let patient = RetryPolicy::default().rate_limit_wait(Duration::from_secs(50));
    assert_eq!(
        pauses(&patient, Repeat::Always, RetryAfter(429, 45))
            .await
            .0
            .len(),
        1,
        "then the total ends it"
    );
    let hasty = RetryPolicy::default().rate_limit_wait(Duration::ZERO);
    assert_eq!(
        pauses(&hasty, Repeat::Always, RetryAfter(429, 1)).await.0.len(),
        0
    );
    assert_eq!(
        pauses(&hasty, Repeat::Always, RetryAfter(429, 0)).await.0.len(),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_is_returned_at_once_when_the_next_attempt_would_come_too_late() {
    let start = Instant::now();
    let policy = RetryPolicy::default().total_time(Duration::from_secs(20));
    let (pauses, _) = pauses(&policy, Repeat::Always, RetryAfter(503, 25)).await;
    assert_eq!((pauses.len(), start.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_total_bounds_attempts_and_pauses_together() {
    let limits = RefCell::new(Vec::new());
    let silent = async |limit| {
        limits.borrow_mut().push(limit);
        sleep(limit).await;
        Err::<(), _>(Silence.error())
    };
    let policy = RetryPolicy::default();
    let start = Instant::now();
    let error = attempts(&policy, Repeat::Always)
        .run(silent, |most| most)
        .await
        .unwrap_err();
    assert_eq!(start.elapsed(), TOTAL);
    assert_eq!(error.attempts(), 2);
    assert_eq!(
        limits.into_inner(),
        [TIMEOUT, TOTAL - TIMEOUT - Duration::from_millis(200)]
    );
}

#[test]
fn what_an_operation_may_take_itself_comes_on_top_of_the_total() {
    let code = Duration::from_secs(300);
    let policy = RetryPolicy::default();
    assert_eq!(policy.total_for(TIMEOUT, TIMEOUT), TOTAL);
    assert_eq!(policy.total_for(code + TIMEOUT, TIMEOUT), code + TOTAL);
    assert_eq!(policy.total_for(Duration::MAX, TIMEOUT), Duration::MAX);
    let short = policy.total_time(Duration::from_secs(10));
    assert_eq!(short.total_for(TIMEOUT, TIMEOUT), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_it() {
    let failures = RefCell::new(vec![Status(503), RetryAfter(429, 3), NoConnection]);
    let attempt = async |_| match failures.borrow_mut().pop() {
        Some(failure) => Err(failure.error()),
        None => Ok("done"),
    };
    let policy = RetryPolicy::default();
    let start = Instant::now();
    let done = attempts(&policy, Repeat::Always)
        .run(attempt, |_| Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(done, ("done", 4));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_error_remembers_whether_an_earlier_attempt_may_have_been_carried_out() {
    for (first, maybe_done) in [
        (NoConnection, false),
        (Status(429), false),
        (Lost, true),
        (Silence, true),
        (Status(502), true),
        (Status(503), true),
    ] {
        let failures = RefCell::new(vec![Status(404), first]);
        let attempt = async |_| Err::<(), _>(failures.borrow_mut().pop().unwrap().error());
        let policy = RetryPolicy::default();
        let error = attempts(&policy, Repeat::Always)
            .run(attempt, |most| most)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SessionNotFound);
        assert_eq!(error.maybe_done_before(), maybe_done, "{first:?}");
    }
}

#[test]
fn jitter_uses_the_whole_range() {
    let most = Duration::from_millis(200);
    let drawn: Vec<_> = (0..1000).map(|_| full_jitter(most)).collect();
    assert!(drawn.iter().all(|&pause| pause <= most));
    assert!(drawn.iter().any(|&pause| pause < most / 10) && drawn.iter().any(|&pause| pause > most * 9 / 10));
    assert_eq!(full_jitter(Duration::ZERO), Duration::ZERO);
    assert!(full_jitter(Duration::MAX) <= Duration::MAX);
}

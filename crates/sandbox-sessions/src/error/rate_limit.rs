use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// What the API said about its rate limit. Every value is optional: a proxy in between may send only some.
///
/// ```
/// use std::time::Duration;
/// use sandbox_sessions::{Error, RateLimit};
///
/// /// How long to leave the API alone after an error.
/// fn pause(error: &Error) -> Duration {
///     error.rate_limit().and_then(RateLimit::retry_after).unwrap_or(Duration::from_secs(1))
/// }
///
/// fn describe(rate: &RateLimit) -> String {
///     format!("{:?} of {:?} requests left until {:?}", rate.remaining(), rate.limit(), rate.reset())
/// }
/// assert_eq!(describe(&RateLimit::default()), "None of None requests left until None");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<DateTime<Utc>>,
    retry_after: Option<Duration>,
}

impl RateLimit {
    /// Reads the `X-RateLimit-*` and `Retry-After` headers; values that cannot be read count as absent.
    pub(crate) fn from_headers(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Self> {
        let integer = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let found = Self {
            limit: integer("x-ratelimit-limit"),
            remaining: integer("x-ratelimit-remaining"),
            reset: integer("x-ratelimit-reset")
                .and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)),
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|value| parse_retry_after(value.to_str().ok()?.trim(), now)),
        };
        (found != Self::default()).then_some(found)
    }

    /// Requests allowed in the current window.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Requests left in the current window.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// When the current window ends.
    #[must_use]
    pub fn reset(&self) -> Option<DateTime<Utc>> {
        self.reset
    }

    /// How long to wait before the next attempt, counted from the arrival of the answer.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Both forms of RFC 9110: a number of seconds, or a date. A date that has passed means "now".
fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn reads_bare_integers() {
        let headers = headers(&[
            ("x-ratelimit-limit", "100"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1735689600"),
            ("retry-after", "17"),
        ]);
        let limit = RateLimit::from_headers(&headers, Utc::now()).unwrap();
        assert_eq!(limit.limit(), Some(100));
        assert_eq!(limit.remaining(), Some(0));
        assert_eq!(limit.reset().unwrap().to_rfc3339(), "2025-01-01T00:00:00+00:00");
        assert_eq!(limit.retry_after(), Some(Duration::from_secs(17)));
    }

    #[test]
    fn reads_retry_after_dates() {
        let now: DateTime<Utc> = "2025-01-01T00:00:00Z".parse().unwrap();
        let after = |date: &'static str| {
            RateLimit::from_headers(&headers(&[("retry-after", date)]), now).and_then(|l| l.retry_after())
        };
        assert_eq!(
            after("Wed, 01 Jan 2025 00:00:30 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(after("Tue, 31 Dec 2024 23:59:00 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn ignores_what_it_cannot_read() {
        let nonsense = headers(&[
            ("x-ratelimit-limit", "many"),
            ("x-ratelimit-remaining", "-1"),
            ("x-ratelimit-reset", "99999999999999999999"),
            ("retry-after", "soon"),
        ]);
        assert_eq!(RateLimit::from_headers(&nonsense, Utc::now()), None);
        let overflow = headers(&[("x-ratelimit-reset", "18446744073709551615")]);
        assert_eq!(RateLimit::from_headers(&overflow, Utc::now()), None);
    }

    type Reads = fn(&HeaderMap, DateTime<Utc>) -> Option<RateLimit>;

    fn any_header_is_read_or_ignored(read: Reads) -> Result<(), String> {
        let digits = prop_oneof!["[0-9]{0,24}", any::<u64>().prop_map(|number| number.to_string())];
        let value = prop_oneof![any::<Vec<u8>>(), digits.prop_map(String::into_bytes)];
        let values = (value, any::<u64>(), 0..4_000_000_000_i64);
        let tried = TestRunner::deterministic().run(&values, |(value, seconds, now)| {
            let now = DateTime::from_timestamp(now, 0).unwrap();
            let mut headers = HeaderMap::new();
            if let Ok(value) = reqwest::header::HeaderValue::from_bytes(&value) {
                for name in [
                    "x-ratelimit-limit",
                    "x-ratelimit-remaining",
                    "x-ratelimit-reset",
                    "retry-after",
                ] {
                    headers.insert(name, value.clone());
                }
                let _ = read(&headers, now);
            }
            headers.insert(RETRY_AFTER, seconds.into());
            let wait = read(&headers, now).and_then(|limit| limit.retry_after());
            prop_assert_eq!(wait, Some(Duration::from_secs(seconds)));
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_header_is_harmless() {
        any_header_is_read_or_ignored(RateLimit::from_headers).unwrap();
    }

    #[test]
    fn a_header_that_is_taken_for_text_is_noticed() {
        let careless: Reads = |headers, now| {
            assert!(headers.values().all(|value| value.to_str().is_ok()));
            RateLimit::from_headers(headers, now)
        };
        any_header_is_read_or_ignored(careless).unwrap_err();
    }

    fn a_date_says_how_long_to_wait(
        parse: fn(&str, DateTime<Utc>) -> Option<Duration>,
    ) -> Result<(), String> {
        let tried =
            TestRunner::deterministic().run(&(0..4_000_000_000_i64, 0..100_000_000_i64), |(now, wait)| {
                let now = DateTime::from_timestamp(now, 0).unwrap();
                let date = now + chrono::TimeDelta::seconds(wait);
                let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
                prop_assert_eq!(parse(&date, now), Some(Duration::from_secs(wait.cast_unsigned())));
                Ok(())
            });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_date_is_waited_for() {
        a_date_says_how_long_to_wait(parse_retry_after).unwrap();
    }

    #[test]
    fn a_date_that_is_taken_for_another_is_noticed() {
        let late = |date: &str, now| parse_retry_after(date, now - chrono::TimeDelta::seconds(1));
        a_date_says_how_long_to_wait(late).unwrap_err();
    }
}

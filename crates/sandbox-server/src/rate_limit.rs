//! How often a token may ask.
//!
//! The generic cell rate algorithm: all that is kept of a token is the instant at which its whole quota will be there
//! again. What was used comes back evenly, request by request: there is no turn of a minute at which everybody starts
//! again at once, or around which a quota could be used twice. It is written out here because the API tells its callers
//! that very instant, which the libraries for it keep to themselves.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time in which a whole quota comes back.
const PERIOD: Duration = Duration::from_secs(60);

/// A number of requests per minute. All of them may come at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    requests: NonZeroU32,
    /// The time in which one request comes back.
    cost: Duration,
}

/// What one token has used.
#[derive(Debug)]
pub(crate) struct Meter {
    full_at: Mutex<Instant>,
}

/// Where a token stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Requests in a minute.
    pub(crate) limit: u32,
    /// Requests that could be made at once now.
    pub(crate) remaining: u32,
    /// The time until the whole quota is there again.
    pub(crate) full_in: Duration,
    /// The time until the next request can be made, if this one came too early. It has then cost nothing.
    pub(crate) too_early: Option<Duration>,
}

impl RateLimit {
    pub(crate) fn per_minute(requests: NonZeroU32) -> Self {
        Self {
            requests,
            cost: PERIOD / requests.get(),
        }
    }

    /// The time in which all requests come back: the period, but for what rounding the cost has lost of it.
    fn whole(self) -> Duration {
        self.cost * self.requests.get()
    }
}

impl Meter {
    /// With the whole quota.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            full_at: Mutex::new(now),
        }
    }

    /// Counts a request.
    pub(crate) fn count(&self, limit: RateLimit, now: Instant) -> Standing {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let used = full_at.saturating_duration_since(now);
        let too_early = (used + limit.cost).checked_sub(limit.whole());
        let too_early = too_early.filter(|wait| !wait.is_zero());
        let used = if too_early.is_some() {
            used
        } else {
            used + limit.cost
        };
        *full_at = now + used;
        let left = limit.whole().saturating_sub(used).as_nanos() / limit.cost.as_nanos().max(1);
        Standing {
            limit: limit.requests.get(),
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            full_in: used,
            too_early,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(requests: u32) -> RateLimit {
        RateLimit::per_minute(NonZeroU32::new(requests).unwrap())
    }

    #[test]
    fn a_whole_quota_may_be_used_at_once_and_comes_back_evenly() {
        let (limit, start) = (limit(60), Instant::now());
        let meter = Meter::new(start);
        for used in 1..=60 {
            let standing = meter.count(limit, start);
            assert_eq!((standing.limit, standing.remaining), (60, 60 - used));
            assert_eq!(standing.full_in, Duration::from_secs(used.into()));
            assert_eq!(standing.too_early, None);
        }
        let standing = meter.count(limit, start);
        assert_eq!(
            (standing.remaining, standing.too_early),
            (0, Some(Duration::from_secs(1)))
        );
        let half = start + Duration::from_millis(500);
        assert_eq!(
            meter.count(limit, half).too_early,
            Some(Duration::from_millis(500))
        );
        let second = start + Duration::from_secs(1);
        assert_eq!(meter.count(limit, second).too_early, None);
        assert!(meter.count(limit, second).too_early.is_some());
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let (limit, start) = (limit(1), Instant::now());
        let meter = Meter::new(start);
        let full_in = meter.count(limit, start).full_in;
        for _ in 0..100 {
            let refused = meter.count(limit, start);
            assert_eq!(
                (refused.full_in, refused.too_early),
                (full_in, Some(Duration::from_secs(60)))
            );
        }
    }

    #[test]
    fn nothing_is_saved_up() {
        let (limit, start) = (limit(2), Instant::now());
        let meter = Meter::new(start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(meter.count(limit, later).remaining, 1);
        assert_eq!(meter.count(limit, later).remaining, 0);
        assert!(meter.count(limit, later).too_early.is_some());
    }

    #[test]
    fn any_number_of_requests_is_exact() {
        for requests in [1, 7, 59, 6000, 999_983] {
            let (limit, start) = (limit(requests), Instant::now());
            let meter = Meter::new(start);
            let admitted = (0..=requests).filter(|_| meter.count(limit, start).too_early.is_none());
            assert_eq!(admitted.count(), requests as usize);
        }
        let most = Meter::new(Instant::now()).count(limit(u32::MAX), Instant::now());
        assert_eq!((most.limit, most.remaining), (u32::MAX, u32::MAX - 1));
    }
}

//! How often something is tried.

use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// Failures in a row after which a blob is not tried any more.
const BLOB: u32 = 4;
/// And a document, for which somebody may well be waiting to ask another.
const DOCUMENT: u32 = 1;
/// What has to come with a try that is not to count as a failure, or a peer that sends a byte at a time is never given up.
const PROGRESS: u64 = 64 << 10;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The tries to get one thing.
#[derive(Debug)]
pub(super) struct Attempts {
    max: u32,
    failures: u32,
    /// The farthest that any try has come: what starts over each time is no progress.
    farthest: u64,
}

impl Attempts {
    pub(super) fn for_blob() -> Self {
        Self {
            max: BLOB,
            failures: 0,
            farthest: 0,
        }
    }

    pub(super) fn for_document() -> Self {
        Self {
            max: DOCUMENT,
            ..Self::for_blob()
        }
    }

    /// How long to pause before the next try, or the failure if there is none: it may not be one that passes, or it was
    /// one too many without progress.
    pub(super) fn after(&mut self, failure: Error, offset: u64) -> Result<Duration> {
        if offset >= self.farthest.saturating_add(PROGRESS) {
            self.failures = 0;
            self.farthest = offset;
        }
        self.failures += 1;
        if failure.kind() != ErrorKind::Unavailable || self.failures > self.max {
            return Err(failure);
        }
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures - 1);
        // Those who failed together do not come back together.
        Ok(pause.mul_f64(0.5 + fastrand::f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Error {
        Error::new(ErrorKind::Unavailable, "gone")
    }

    #[test]
    fn only_progress_earns_more_tries() {
        let mut attempts = Attempts::for_blob();
        for round in 1..100 {
            attempts.after(failure(), round * PROGRESS).unwrap();
        }
        let more = (0..100).take_while(|byte| attempts.after(failure(), 99 * PROGRESS + byte).is_ok());
        assert_eq!(more.count(), BLOB as usize - 1);
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        let denied = Error::new(ErrorKind::Unauthorized, "denied");
        assert!(Attempts::for_blob().after(denied, PROGRESS).is_err());
    }
}

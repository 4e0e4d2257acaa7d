//! The open files of this process, of which it may have so many.

use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The part of all descriptors that is kept for what requests need, and its bounds.
const KEPT_PART: u64 = 8;
const KEPT_LEAST: u64 = 16;
const KEPT_MOST: u64 = 256;

/// How many open files a session takes while it lives: the process of its sandbox, the watch over it, the pipe that it
/// ends with, and a connection for commands.
const OF_SESSION: u64 = 4;

/// How many files this process may have open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptors(u64);

impl Descriptors {
    /// Raises this process's limit as far as that is free to everybody. Many systems start with a low one for programs
    /// that cannot deal with more.
    pub(crate) fn raised() -> Self {
        let now = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: now.maximum,
            ..now
        };
        let limit = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => now.maximum,
            Err(_) => now.current,
        };
        Self(limit.unwrap_or(u64::MAX))
    }

    /// Says what the limit does not allow for.
    pub(crate) fn check(self, sessions: usize, connections: usize) {
        let of_sessions = (sessions as u64).saturating_mul(OF_SESSION);
        let needed = of_sessions
            .saturating_add(connections as u64)
            .saturating_add(self.kept());
        if needed > self.0 {
            tracing::warn!(
                limit = self.0,
                needed,
                "this process may not have as many open files as its sessions and connections could need; connections are refused when they run out"
            );
        }
    }

    /// Whether so few are left that work under way may need them, once there is this one: a new descriptor gets the
    /// lowest number that is free.
    pub(crate) fn are_scarce(self, newest: impl AsFd) -> bool {
        let number = u64::try_from(newest.as_fd().as_raw_fd()).unwrap_or_default();
        number >= self.0.saturating_sub(self.kept())
    }

    fn kept(self) -> u64 {
        (self.0 / KEPT_PART).clamp(KEPT_LEAST, KEPT_MOST)
    }
}

/// Whether something failed because this process, or this machine, had no descriptor left. That passes.
pub(crate) fn ran_out(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|cause| {
        let error = cause.downcast_ref::<std::io::Error>();
        let number = error.and_then(std::io::Error::raw_os_error);
        let errno = number.map(rustix::io::Errno::from_raw_os_error);
        let errno = errno.or_else(|| cause.downcast_ref().copied());
        matches!(errno, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_is_kept_has_bounds() {
        for (limit, kept) in [(64, 16), (1024, 128), (1 << 20, 256)] {
            assert_eq!(Descriptors(limit).kept(), kept, "of {limit}");
        }
    }

    #[test]
    fn no_number_of_sessions_is_too_large() {
        Descriptors(u64::MAX).check(usize::MAX, usize::MAX);
    }

    #[test]
    fn a_high_number_says_that_few_are_left() {
        let file = std::fs::File::open("/").unwrap();
        let number = u64::try_from(file.as_raw_fd()).unwrap();
        assert!(Descriptors(number + KEPT_LEAST).are_scarce(&file));
        assert!(!Descriptors(number + KEPT_LEAST + 1).are_scarce(&file));
    }

    #[test]
    fn the_cause_is_found_wherever_it_is() {
        let out = || io::Error::from_raw_os_error(24);
        let wrapped = sandbox_isolation::Error::Step {
            step: "step".to_owned(),
            path: None,
            source: out(),
        };
        assert!(ran_out(&out()) && ran_out(&wrapped) && ran_out(&rustix::io::Errno::NFILE));
        assert!(!ran_out(&io::Error::from_raw_os_error(2)));
    }
}

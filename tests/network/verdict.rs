//! What a call through a broken network has to end in, and whether it did.

use std::time::Duration;

use contract_tests::can_vanish;
use contract_tests::fault::{Course, Fault, How};
use sandbox_sessions::ssh::Phase;
use sandbox_sessions::{Error, ErrorKind};

/// How long a client waits. A call that is not over long after has no end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const NO_END: Duration = Duration::from_secs(60);

/// A fault of the network, and what becomes of a call that meets it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) fault: fn() -> Fault,
    pub(crate) expected: Expected,
}

impl Case {
    /// Whether this host, and this user, can have the fault; says so if not.
    pub(crate) fn is_possible(&self) -> bool {
        let vanishes = |course: Course| course.end.is_some_and(|end| end.how == How::Vanish);
        !vanishes((self.fault)().to_client) || can_vanish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The right result, as if nothing had happened.
    Right,
    Fails(Failure),
}

/// What an error tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) status: Option<u16>,
    /// Where on the way to a session it failed, if that is known.
    pub(crate) phase: Option<Phase>,
    /// Whether it makes sense to try again.
    pub(crate) retryable: bool,
}

impl Failure {
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self {
            kind,
            status: None,
            phase: None,
            retryable: false,
        }
    }

    pub(crate) const fn status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    pub(crate) const fn during(self, phase: Phase) -> Self {
        Self {
            phase: Some(phase),
            ..self
        }
    }

    pub(crate) const fn retryable(self) -> Self {
        Self {
            retryable: true,
            ..self
        }
    }

    pub(crate) const fn expected(self) -> Expected {
        Expected::Fails(self)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            status: error.status_code(),
            phase: error.ssh_phase(),
            retryable: error.is_retryable(),
        }
    }
}

/// What a call has ended in.
#[derive(Debug)]
pub(crate) enum Outcome {
    Value(String),
    Error(Error),
    NoEnd,
}

impl Outcome {
    pub(crate) async fn of(call: impl Future<Output = Result<String, Error>>) -> Self {
        match tokio::time::timeout(NO_END, call).await {
            Ok(Ok(value)) => Self::Value(value),
            Ok(Err(error)) => Self::Error(error),
            Err(_) => Self::NoEnd,
        }
    }
}

/// Whether this is what had to come of it; `right` is the right result.
pub(crate) fn judge(expected: Expected, outcome: &Outcome, right: &str) -> Result<(), String> {
    let is_expected = match (expected, outcome) {
        (Expected::Right, Outcome::Value(value)) => value == right,
        (Expected::Fails(failure), Outcome::Error(error)) => Failure::from(error) == failure,
        _ => false,
    };
    if is_expected {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, and not {outcome:?}"))
    }
}

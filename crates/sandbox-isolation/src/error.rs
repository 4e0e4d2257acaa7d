//! Why something could not be done.

use std::io;
use std::path::{Path, PathBuf};

/// Why a sandbox could not be started, found, changed or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host does not let this user create user namespaces, without which there is no sandbox.
    #[error("this host does not allow user namespaces: {cause}; {choices}")]
    UserNamespaces {
        /// The setting that forbids it, and its value.
        cause: String,
        /// What can be done about it.
        choices: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A specification is not valid.
    #[error("{what} is not valid: {why}")]
    Invalid {
        /// What.
        what: &'static str,
        /// The bound it breaks.
        why: String,
    },
    /// A step failed.
    #[error("cannot {step}{}", .path.as_ref().map(|path| format!(" ({})", path.display())).unwrap_or_default())]
    Step {
        /// What was tried.
        step: String,
        /// The file or directory it was tried on, if any.
        path: Option<PathBuf>,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something took too long.
    #[error("timed out while waiting for {what}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
    },
    /// The process that was to become the sandbox ended without saying why.
    #[error("the sandbox's first process ended before it was ready")]
    EndedEarly,
    /// This host or this kind of sandbox cannot do that.
    #[error("{what} is not supported here: {why}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// Why it is not possible.
        why: String,
    },
}

/// Says what was being done when a call failed.
pub(crate) trait Context<T> {
    /// `step` completes the sentence "cannot …".
    fn during(self, step: &str) -> Result<T, Error>;
    /// As [`during`](Self::during), with the file or directory it was done to.
    fn during_on(self, step: &str, path: impl AsRef<Path>) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn during(self, step: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Step {
            step: step.to_owned(),
            path: None,
            source: source.into(),
        })
    }

    fn during_on(self, step: &str, path: impl AsRef<Path>) -> Result<T, Error> {
        self.map_err(|source| Error::Step {
            step: step.to_owned(),
            path: Some(path.as_ref().to_owned()),
            source: source.into(),
        })
    }
}

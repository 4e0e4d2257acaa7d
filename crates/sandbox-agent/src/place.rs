//! Where commands find themselves.

use std::path::{Path, PathBuf};

/// The directories of the sandbox's user.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where commands start and relative SFTP paths begin.
    pub workspace: PathBuf,
    /// The user's home directory.
    pub home: PathBuf,
}

impl Place {
    /// The directories every sandbox has.
    #[must_use]
    pub fn sandbox() -> Self {
        Self {
            workspace: "/workspace".into(),
            home: "/home/sandbox".into(),
        }
    }

    /// The shell that runs commands: bash where there is one.
    pub(crate) fn shell(&self) -> &'static Path {
        let bash = Path::new("/bin/bash");
        if bash.exists() { bash } else { Path::new("/bin/sh") }
    }
}

//! Where commands find themselves.

use std::path::{Path, PathBuf};

use crate::AgentConfig;

/// The directories of the sandbox's user.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where relative SFTP paths begin, and where commands start that have no other place.
    pub workspace: PathBuf,
    /// The user's home directory.
    pub home: PathBuf,
    /// Where commands start, if it is a directory.
    pub working_dir: Option<PathBuf>,
    /// Variables that commands find, before the agent's own.
    pub environment: Vec<(String, String)>,
}

impl Place {
    /// The directories every sandbox has.
    #[must_use]
    pub fn sandbox() -> Self {
        Self {
            workspace: "/workspace".into(),
            home: "/home/sandbox".into(),
            working_dir: None,
            environment: Vec::new(),
        }
    }

    /// Those of a sandbox with an image.
    pub(crate) fn of(config: &AgentConfig) -> Self {
        Self {
            working_dir: config.working_dir.clone(),
            environment: config.environment.clone(),
            ..Self::sandbox()
        }
    }

    /// Where commands start.
    pub(crate) fn start(&self) -> &Path {
        match &self.working_dir {
            Some(dir) if dir.is_dir() => dir,
            _ => &self.workspace,
        }
    }

    /// The shell that runs commands: bash where there is one. Not every image has any.
    pub(crate) fn shell(&self) -> Option<&'static Path> {
        let shells = ["/bin/bash", "/bin/sh"].map(Path::new);
        shells.into_iter().find(|shell| shell.exists())
    }
}

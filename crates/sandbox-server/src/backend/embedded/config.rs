//! How to run the embedded backend.

use std::path::PathBuf;

use super::images::ImageStore;
use crate::backend::{Error, ErrorKind, Limits, Result};

/// How long sandboxes live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until they expire or are destroyed, whatever happens to the server. The next server with the same state
    /// directory takes them over.
    Persistent,
    /// At most as long as the server, however it ends.
    Ephemeral,
}

/// How to run the embedded backend.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// Where records and sockets are. In [`Lifetime::Persistent`] the directory of this one server; in
    /// [`Lifetime::Ephemeral`] a parent in which each server makes its own.
    pub state_dir: PathBuf,
    /// How long sandboxes live.
    pub lifetime: Lifetime,
    /// What each sandbox may use.
    pub limits: Limits,
    /// Paths of this machine that sandboxes may read, beside its programs and libraries.
    pub shared_paths: Vec<PathBuf>,
    /// The OCI images that sandboxes are made from, beside this machine's own programs; `None` for none.
    pub images: Option<ImageStore>,
    /// The program that hosts a sandbox: one whose `main` starts with [`sandbox_agent::run_if_asked`].
    pub program: PathBuf,
}

impl EmbeddedConfig {
    /// Finds out now what would otherwise fail every creation.
    pub(super) fn check(&self) -> Result<()> {
        let Limits {
            memory_bytes,
            disk_bytes,
            pids,
            cpu_millis,
            open_files,
        } = self.limits;
        let least = sandbox_isolation::Limits::LEAST;
        let lowest = [
            ("memory", memory_bytes, least.memory_bytes),
            ("disk", disk_bytes, least.disk_bytes),
            ("processes", pids.into(), least.pids.into()),
            ("processor", cpu_millis.into(), least.cpu_millis.into()),
            ("open files", open_files.into(), least.open_files.into()),
        ];
        for (what, value, lowest) in lowest {
            if value < lowest {
                let message = format!("the limit of {what}, {value}, is below {lowest}");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        match self
            .shared_paths
            .iter()
            .find(|path| !path.is_absolute() || !path.exists())
        {
            Some(path) => {
                let message = format!(
                    "{} cannot be shared: it is not an absolute path of something",
                    path.display()
                );
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            None => Ok(()),
        }
    }
}

pub(super) fn isolation_limits(limits: Limits) -> sandbox_isolation::Limits {
    let Limits {
        memory_bytes,
        disk_bytes,
        pids,
        cpu_millis,
        open_files,
    } = limits;
    sandbox_isolation::Limits {
        memory_bytes,
        disk_bytes,
        pids,
        cpu_millis,
        open_files,
    }
}

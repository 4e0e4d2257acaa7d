//! What this host gives, and the sandboxes on it.

use crate::capabilities::Capabilities;
use crate::error::Error;
use crate::handle::{Handle, Sandbox};
use crate::launch::{LaunchSpec, Launched};

/// This host, as far as sandboxes are concerned.
#[derive(Clone, Debug)]
pub struct Host {
    capabilities: Capabilities,
}

impl Host {
    /// Finds out what this host gives, by trying.
    ///
    /// # Errors
    ///
    /// [`Error::UserNamespaces`] names the setting that forbids sandboxes and what the choices are.
    pub fn probe() -> Result<Self, Error> {
        unsupported("probing")
    }

    /// What was found.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Starts a sandbox, and returns when its first process is about to run the agent.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a specification out of bounds, else the step that failed. Nothing is left then.
    pub fn launch(&self, spec: LaunchSpec<'_>) -> Result<Launched, Error> {
        let _ = spec;
        unsupported("launching")
    }

    /// Finds a sandbox again. `None`: it has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Step`] if it cannot be told whether it runs.
    pub fn adopt(&self, handle: &Handle) -> Result<Option<Sandbox>, Error> {
        let _ = handle;
        unsupported("adopting")
    }

    /// Kills what is left in the cgroups of a sandbox of this name, and removes them.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::destroy`].
    pub fn sweep(&self, name: &str) -> Result<(), Error> {
        let _ = name;
        unsupported("sweeping")
    }
}

fn unsupported<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Unsupported {
        what,
        why: String::from("not built yet"),
    })
}

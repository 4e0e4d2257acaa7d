//! Load on a server, and what becomes of the server under it.

mod live;
mod mix;
mod soak;
mod statistics;
mod usage;
mod verdict;

use std::num::NonZeroU32;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox_server::ServerConfig;

pub use self::live::{Live, live};
pub use self::soak::{Soak, soak};
use crate::{Process, ServerProcess};

/// The role of the server that is loaded, unless another one is named.
pub const SERVER: &str = "server";

/// A server that refuses nobody for having asked too often.
pub fn serve(arguments: &[&str]) -> ExitCode {
    raise_descriptor_limit();
    crate::serve(arguments, unlimited)
}

/// As many sessions, tunnels and requests as anybody wants.
pub fn unlimited(config: ServerConfig) -> ServerConfig {
    config
        .rate_limit(NonZeroU32::MAX)
        .max_sessions(usize::MAX)
        .max_sessions_per_owner(usize::MAX)
}

/// Many hosts allow 1024 until more is asked for. Answers how many it may have now.
pub(crate) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let now = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| limit.maximum);
    now.unwrap_or(u64::MAX)
}

/// What is loaded.
pub enum Target {
    /// A server that was started for it, and can be measured.
    Own(Box<ServerProcess>),
    /// Somebody's server, somewhere.
    Other {
        /// The API's base address.
        url: String,
        /// What lets us in.
        token: String,
    },
}

impl Target {
    /// This program in a role that serves.
    ///
    /// # Errors
    /// When the host cannot make sandboxes at all: the server's own words.
    pub fn start(role: &str) -> Result<Self, String> {
        ServerProcess::start(role).map(|server| Self::Own(Box::new(server)))
    }

    fn url(&self) -> &str {
        match self {
            Self::Own(server) => server.url(),
            Self::Other { url, .. } => url,
        }
    }

    fn token(&self) -> &str {
        match self {
            Self::Own(_) => ServerProcess::TOKEN,
            Self::Other { token, .. } => token,
        }
    }

    fn process(&self) -> Option<Process> {
        match self {
            Self::Own(server) => Some(server.process()),
            Self::Other { .. } => None,
        }
    }

    fn stop(self) {
        if let Self::Own(server) = self {
            server.stop();
        }
    }
}

//! What the server tells an agent at creation.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Everything an agent has to know, handed to it as JSON over a file descriptor when the sandbox is made.
///
/// Holds the private host key: its `Debug` shows no keys.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The private host key, OpenSSH PEM.
    pub host_key: String,
    /// The server's own public key, one OpenSSH line. Always accepted; only connections it authenticates may
    /// use the options [`TIMEOUT_VARIABLE`](crate::TIMEOUT_VARIABLE) and
    /// [`LINGER_VARIABLE`](crate::LINGER_VARIABLE).
    pub control_key: String,
    /// The public key registered for the session, one OpenSSH line. Without one, the user is let in without
    /// proof: whoever reaches the agent was already authorised by the server.
    #[serde(default)]
    pub session_key: Option<String>,
    /// When the sandbox ends itself, in seconds since the Unix epoch (wall clock).
    pub expires_at: u64,
    /// How much one peer may ask for.
    #[serde(default)]
    pub limits: AgentLimits,
    /// Variables of the image that commands start with, before those that a peer sets. They go before the agent's own.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
    /// Where commands start, if it is there; else in the workspace.
    #[serde(default)]
    pub working_dir: Option<PathBuf>,
}

/// How much one peer may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentLimits {
    /// Connections at the same time (default 64).
    pub connections: usize,
    /// Channels at the same time on one connection (default 256); ten times as many on a connection of the
    /// server.
    pub channels_per_connection: usize,
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            channels_per_connection: 256,
        }
    }
}

impl fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentConfig")
            .field("session_key", &self.session_key.is_some())
            .field("expires_at", &self.expires_at)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

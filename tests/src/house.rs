//! A real server in this process.

use std::path::Path;

use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::SessionsClient;
use tokio::runtime::Runtime;

/// A server whose sessions end with it, and the runtime that it and the trials run on.
pub struct House {
    runtime: Runtime,
    server: Server,
    state: tempfile::TempDir,
}

impl House {
    /// Starts one for the tokens, configured as its guests want it.
    ///
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub fn start(
        tokens: Tokens,
        configured: impl FnOnce(ServerConfig) -> ServerConfig,
    ) -> Result<Self, sandbox_server::Error> {
        let runtime = Runtime::new().expect("a runtime");
        let state = tempfile::tempdir().expect("a directory");
        let config = ServerConfig::new(tokens, state.path()).lifetime(Lifetime::Ephemeral);
        let server = runtime.block_on(Server::start(configured(config)))?;
        Ok(Self {
            runtime,
            server,
            state,
        })
    }

    /// Ends the server and its sessions.
    pub fn stop(self) {
        self.runtime.block_on(self.server.shutdown());
    }

    /// What the server and the trials run on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The API's base address, such as `http://127.0.0.1:40000/v1`.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// Where the server listens, such as `127.0.0.1:40000`.
    pub fn address(&self) -> String {
        let url = self.url().strip_prefix("http://").expect("plain HTTP");
        url.split_once('/').expect("a path").0.to_owned()
    }

    /// A client of the server for one of its tokens.
    pub fn client(&self, token: &str) -> SessionsClient {
        SessionsClient::new(self.url(), token).expect("the server's own address")
    }

    /// Where the server keeps what it knows of its sessions.
    pub fn state(&self) -> &Path {
        self.state.path()
    }
}

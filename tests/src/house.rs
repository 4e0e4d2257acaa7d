//! A real server in this process.

use std::path::Path;

use sandbox_api_contract::Tap;
use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::{Session, SessionsClient};
use tokio::runtime::Runtime;

use crate::Agent;

/// A server whose sessions end with it, and the runtime that it and the trials run on. It is reached through a tap,
/// which holds what is said against the API's document.
pub struct House {
    runtime: Runtime,
    server: Server,
    tap: Tap,
    url: String,
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
        #[expect(clippy::disallowed_methods, reason = "this is where the tap is")]
        let tap = Tap::before(server.url()).expect("a tap");
        Ok(Self {
            runtime,
            server,
            url: tap.url(),
            tap,
            state,
        })
    }

    /// Ends the server and its sessions.
    ///
    /// # Panics
    /// When the server or the SDK has broken the contract.
    pub fn stop(self) {
        self.runtime.block_on(self.server.shutdown());
        self.tap.assert_kept();
    }

    /// What the server and the trials run on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The API's base address, such as `http://127.0.0.1:40000/v1`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the server is reached, such as `127.0.0.1:40000`.
    pub fn address(&self) -> String {
        let url = self.url().strip_prefix("http://").expect("plain HTTP");
        url.split_once('/').expect("a path").0.to_owned()
    }

    /// A client of the server for one of its tokens.
    pub fn client(&self, token: &str) -> SessionsClient {
        SessionsClient::new(self.url(), token).expect("the server's own address")
    }

    /// What listens to all that is said to the server and by it.
    pub fn tap(&self) -> &Tap {
        &self.tap
    }

    /// The agent of a session of this house, which has been used.
    ///
    /// # Panics
    /// When there is no such session.
    pub fn agent(&self, session: &Session) -> Agent {
        Agent::of(self.state(), session.id())
    }

    /// Where the server keeps what it knows of its sessions.
    pub fn state(&self) -> &Path {
        self.state.path()
    }
}

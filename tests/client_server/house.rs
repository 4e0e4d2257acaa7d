//! A real server in this process, with an owner for each trial, so that each can count its sessions.

use std::sync::Mutex;
use std::time::Duration;

use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::{RetryPolicy, Session, SessionsClient, SessionsClientBuilder};
use tokio::runtime::Runtime;

/// As many as there are trials, and some to spare.
const OWNERS: usize = 32;

pub(crate) struct House {
    runtime: Runtime,
    server: Server,
    /// The tokens of owners that no trial has used yet.
    tokens: Mutex<Vec<String>>,
    _state: tempfile::TempDir,
}

/// Somebody with sessions of their own.
pub(crate) struct Owner {
    token: String,
    /// Sees the server directly.
    pub(crate) client: SessionsClient,
}

impl House {
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub(crate) fn start() -> Result<Self, sandbox_server::Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let state = tempfile::tempdir().expect("a directory");
        let secrets: Vec<_> = (0..OWNERS)
            .map(|owner| format!("client-server-test-token-{owner:032x}"))
            .collect();
        // A token without a name is an owner of its own.
        let tokens = Tokens::from_lines(&secrets.join("\n")).expect("the tokens are valid");
        let config = ServerConfig::new(tokens, state.path().join("state")).lifetime(Lifetime::Ephemeral);
        let server = runtime.block_on(Server::start(config))?;
        Ok(Self {
            runtime,
            server,
            tokens: Mutex::new(secrets),
            _state: state,
        })
    }

    pub(crate) fn stop(self) {
        self.runtime.block_on(self.server.shutdown());
    }

    pub(crate) fn block_on(&self, future: impl Future<Output = ()>) {
        self.runtime.block_on(future);
    }

    /// Where the server listens, such as `127.0.0.1:40000`.
    pub(crate) fn address(&self) -> String {
        let url = self.server.url().strip_prefix("http://").expect("plain HTTP");
        url.split_once('/').expect("a path").0.to_owned()
    }

    pub(crate) fn owner(&self) -> Owner {
        let token = self.tokens.lock().unwrap().pop().expect("an owner is left");
        let client =
            SessionsClient::new(self.server.url(), token.as_str()).expect("the server's own address");
        Owner { token, client }
    }
}

impl Owner {
    /// A client of this owner's that reaches the server in another way.
    pub(crate) fn client_at(&self, url: String) -> SessionsClientBuilder {
        SessionsClient::builder()
            .url(url)
            .token(self.token.as_str())
            .retries(RetryPolicy::default().initial_backoff(Duration::from_millis(5)))
    }

    /// The live sessions, as the server sees them.
    pub(crate) async fn sessions(&self) -> Vec<Session> {
        let page = self.client.list_sessions().limit(100).await.expect("a page");
        page.sessions().to_vec()
    }

    pub(crate) async fn delete_all(&self) {
        for session in self.sessions().await {
            session.delete().await.expect("it is deleted");
        }
    }
}

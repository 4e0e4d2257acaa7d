//! A real server in this process, with an owner for each trial, so that each can count its sessions.

use std::ops::Deref;
use std::sync::Mutex;
use std::time::Duration;

use sandbox_server::Tokens;
use sandbox_sessions::{RetryPolicy, Session, SessionsClient, SessionsClientBuilder};

/// As many as there are trials, and some to spare.
const OWNERS: usize = 32;

pub(crate) struct House {
    house: contract_tests::House,
    /// The tokens of owners that no trial has used yet.
    tokens: Mutex<Vec<String>>,
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
        let secrets: Vec<_> = (0..OWNERS)
            .map(|owner| format!("client-server-test-token-{owner:032x}"))
            .collect();
        // A token without a name is an owner of its own.
        let tokens = Tokens::from_lines(&secrets.join("\n")).expect("the tokens are valid");
        Ok(Self {
            house: contract_tests::House::start(tokens, |config| config)?,
            tokens: Mutex::new(secrets),
        })
    }

    pub(crate) fn stop(self) {
        self.house.stop();
    }

    pub(crate) fn owner(&self) -> Owner {
        let token = self.tokens.lock().unwrap().pop().expect("an owner is left");
        let client = self.client(&token);
        Owner { token, client }
    }
}

impl Deref for House {
    type Target = contract_tests::House;

    fn deref(&self) -> &Self::Target {
        &self.house
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

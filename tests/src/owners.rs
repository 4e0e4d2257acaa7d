//! A house with an owner for each trial, so that each can count its sessions.

use std::ops::Deref;
use std::sync::Mutex;
use std::time::Duration;

use sandbox_server::Tokens;
use sandbox_sessions::{RetryPolicy, Session, SessionsClient, SessionsClientBuilder};

use crate::House;

/// As many as there are trials, and some to spare.
const OWNERS: usize = 128;

/// A [`House`] in which each trial can be an owner of its own.
pub struct OwnersHouse {
    house: House,
    /// The tokens of owners that no trial has used yet.
    tokens: Mutex<Vec<String>>,
}

/// Somebody with sessions of their own.
pub struct Owner {
    token: String,
    /// A client that sees the server directly.
    pub client: SessionsClient,
}

impl OwnersHouse {
    /// Starts it.
    ///
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub fn start() -> Result<Self, sandbox_server::Error> {
        let secrets: Vec<_> = (0..OWNERS)
            .map(|owner| format!("contract-test-token-{owner:032x}"))
            .collect();
        // A token without a name is an owner of its own.
        let tokens = Tokens::from_lines(&secrets.join("\n")).expect("the tokens are valid");
        Ok(Self {
            house: House::start(tokens, |config| config)?,
            tokens: Mutex::new(secrets),
        })
    }

    /// Ends the server and its sessions.
    pub fn stop(self) {
        self.house.stop();
    }

    /// Somebody who has no sessions yet.
    pub fn owner(&self) -> Owner {
        let token = self.tokens.lock().unwrap().pop().expect("an owner is left");
        let client = self.client(&token);
        Owner { token, client }
    }
}

impl Deref for OwnersHouse {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl Owner {
    /// What proves that a request is this owner's.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A client of this owner's that reaches the server in another way.
    pub fn client_at(&self, url: String) -> SessionsClientBuilder {
        SessionsClient::builder()
            .url(url)
            .token(self.token.as_str())
            .retries(RetryPolicy::default().initial_backoff(Duration::from_millis(5)))
    }

    /// The live sessions, as the server sees them.
    pub async fn sessions(&self) -> Vec<Session> {
        let page = self.client.list_sessions().limit(100).await.expect("a page");
        page.sessions().to_vec()
    }

    /// Ends all sessions of this owner.
    pub async fn delete_all(&self) {
        for session in self.sessions().await {
            session.delete().await.expect("it is deleted");
        }
    }
}

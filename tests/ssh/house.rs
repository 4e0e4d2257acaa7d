//! A real server in this process, and one owner of sessions.

use std::ops::Deref;

use sandbox_server::{GeneratedToken, Tokens};
use sandbox_sessions::{Session, SessionSshClient, SessionsClient};
use sandbox_tunnel::{Auth, HostKey, SshClient, SshConfig};
use secrecy::ExposeSecret;

use crate::server;

pub(crate) struct House {
    house: contract_tests::House,
    client: SessionsClient,
    token: GeneratedToken,
}

impl House {
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub(crate) fn start() -> Result<Self, sandbox_server::Error> {
        let token = Tokens::generate();
        let house = contract_tests::House::start(token.tokens(), server::configured)?;
        Ok(Self {
            client: house.client(token.secret().expose_secret()),
            house,
            token,
        })
    }

    pub(crate) fn stop(self) {
        self.house.stop();
    }

    pub(crate) fn client(&self) -> &SessionsClient {
        &self.client
    }

    pub(crate) fn token(&self) -> &str {
        self.token.secret().expose_secret()
    }

    pub(crate) async fn session(&self) -> Session {
        self.client.create_session().await.expect("a session")
    }

    pub(crate) async fn ssh(&self) -> (Session, SessionSshClient) {
        let session = self.session().await;
        let ssh = session.ssh().await.expect("a connection");
        (session, ssh)
    }
}

impl Deref for House {
    type Target = contract_tests::House;

    fn deref(&self) -> &Self::Target {
        &self.house
    }
}

/// One connection to the session's agent, for as many channels as a test likes.
pub(crate) async fn connect(session: &Session) -> SshClient {
    let tunnel = session.ssh().open_tunnel().await.expect("a tunnel");
    let host_key = session
        .ssh_host_key()
        .expect("a host key")
        .parse()
        .expect("a key");
    let config = SshConfig::new("sandbox", Auth::None, HostKey::Pinned(host_key));
    SshClient::connect(tunnel, &config).await.expect("a connection")
}

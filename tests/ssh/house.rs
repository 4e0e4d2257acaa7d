//! A real server in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use sandbox_server::{GeneratedToken, Server, Tokens};
use sandbox_sessions::{Session, SessionSshClient, SessionsClient};
use sandbox_tunnel::{Auth, HostKey, SshClient, SshConfig};
use secrecy::ExposeSecret;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::agent::Agent;
use crate::server;

/// Longer than anything takes on the slowest machine. A test that reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(180);

pub(crate) struct House {
    runtime: Runtime,
    server: Server,
    client: SessionsClient,
    token: GeneratedToken,
    state: tempfile::TempDir,
}

impl House {
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub(crate) fn start() -> Result<Self, sandbox_server::Error> {
        let runtime = Runtime::new().expect("a runtime");
        let state = tempfile::tempdir().expect("a directory");
        let token = Tokens::generate();
        let config = server::config(token.tokens(), state.path());
        let server = runtime.block_on(Server::start(config))?;
        let client = SessionsClient::new(server.url(), token.secret().expose_secret())
            .expect("the server's own address");
        Ok(Self {
            runtime,
            server,
            client,
            token,
            state,
        })
    }

    pub(crate) fn stop(self) {
        self.runtime.block_on(self.server.shutdown());
    }

    pub(crate) fn client(&self) -> &SessionsClient {
        &self.client
    }

    pub(crate) fn token(&self) -> &str {
        self.token.secret().expose_secret()
    }

    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    pub(crate) fn agent(&self, session: &Session) -> Agent {
        Agent::of(self.state(), session.id())
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

/// A test that is a future; it fails by panicking, and by not ending.
pub(crate) fn trial<F: Future<Output = ()> + Send + 'static>(
    house: &Arc<House>,
    name: &str,
    test: impl FnOnce(Arc<House>) -> F + Send + 'static,
) -> Trial {
    let house = house.clone();
    Trial::test(name, move || {
        let _entered = house.runtime.enter();
        let test = timeout(DEADLINE, test(house.clone()));
        house
            .runtime
            .block_on(test)
            .map_err(|_| Failed::from("it does not end"))
    })
}

/// Each function as a trial of its name.
macro_rules! trials {
    ($house:expr, $room:literal: $($test:ident),+ $(,)?) => {
        vec![$($crate::house::trial($house, concat!($room, "::", stringify!($test)), $test)),+]
    };
}
pub(crate) use trials;

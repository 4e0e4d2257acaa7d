//! A real server in this process.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use sandbox_server::{Lifetime, Limits, Server, ServerConfig, Tokens};
use sandbox_sessions::{Session, SessionSshClient, SessionsClient};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Longer than anything takes on the slowest machine. A test that reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(180);

pub(crate) const TOKEN: &str = "the-token-of-this-test-0123456789";

pub(crate) struct House {
    runtime: Runtime,
    server: Server,
    client: SessionsClient,
    _state: tempfile::TempDir,
}

impl House {
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub(crate) fn start() -> Result<Self, sandbox_server::Error> {
        let runtime = Runtime::new().expect("a runtime");
        let state = tempfile::tempdir().expect("a directory");
        let limits = Limits {
            memory_bytes: 512 << 20,
            disk_bytes: 128 << 20,
            ..Limits::default()
        };
        let config = ServerConfig::new(Tokens::from_lines(TOKEN).expect("a token"), state.path())
            .lifetime(Lifetime::Ephemeral)
            .limits(limits);
        let server = runtime.block_on(Server::start(config))?;
        let client = SessionsClient::new(server.url(), TOKEN).expect("the server's own address");
        Ok(Self {
            runtime,
            server,
            client,
            _state: state,
        })
    }

    pub(crate) fn stop(self) {
        self.runtime.block_on(self.server.shutdown());
    }

    pub(crate) fn client(&self) -> &SessionsClient {
        &self.client
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

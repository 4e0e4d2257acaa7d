use std::time::Duration;

use reqwest::header::HeaderValue;
use sandbox_tunnel::{Keepalive, Proxies, SshClient, SshConfig, Tls, Tunnel, TunnelConfig};
use tokio::time::timeout;
use tracing::{Instrument, debug_span};

use crate::error::from_tunnel_error;
use crate::retry::{Attempts, Repeat, full_jitter};
use crate::send::Operation;
use crate::{Error, ErrorKind, SessionId, SessionsClient};

const OPERATION: &str = "connect over SSH";

/// What a client knows about how to reach the API, beside its URL.
#[derive(Clone)]
pub(crate) struct TunnelSettings {
    pub(crate) authorization: HeaderValue,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) tls: Tls,
    pub(crate) proxies: Proxies,
}

/// Makes connections to one session, all in the same way.
pub(super) struct Connector {
    client: SessionsClient,
    session: SessionId,
    config: SshConfig,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(
        client: SessionsClient,
        session: SessionId,
        config: SshConfig,
        timeout: Duration,
    ) -> Self {
        Self {
            client,
            session,
            config,
            timeout,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<SshClient, Error> {
        let connecting = async || {
            let tunnel = tunnel(&self.client, self.session, self.config.keepalive).await?;
            SshClient::connect(tunnel, &self.config)
                .await
                .map_err(from_tunnel_error)
        };
        attempts(&self.client, self.session, self.timeout, connecting).await
    }

    /// Only the tunnel.
    pub(super) async fn open_tunnel(
        client: &SessionsClient,
        session: SessionId,
        limit: Duration,
        keepalive: Option<Keepalive>,
    ) -> Result<Tunnel, Error> {
        let connecting = async || tunnel(client, session, keepalive).await;
        attempts(client, session, limit, connecting).await
    }
}

async fn tunnel(
    client: &SessionsClient,
    session: SessionId,
    keepalive: Option<Keepalive>,
) -> Result<Tunnel, Error> {
    let settings = client.tunnels()?;
    let url = format!("{}/sessions/{session}", client.api_url());
    let mut config =
        TunnelConfig::authorized_by(&url, settings.authorization.clone()).map_err(from_tunnel_error)?;
    config.user_agent = settings.user_agent.clone();
    config.tls = settings.tls.clone();
    config.proxies = settings.proxies.clone();
    config.keepalive = keepalive;
    Tunnel::open(&config).await.map_err(from_tunnel_error)
}

/// Connects as often as the client's policy allows: until somebody is logged in nothing has been done.
async fn attempts<T, F>(
    client: &SessionsClient,
    session: SessionId,
    limit: Duration,
    connecting: impl Fn() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let span = debug_span!("connect", operation = OPERATION, %session);
    let attempts = Attempts {
        policy: client.retries(),
        operation: Operation::on(OPERATION, session).repeat(Repeat::Always),
        each: limit,
        all: client.retries().total_for(limit, client.timeout()),
    };
    let attempt = async |limit| match timeout(limit, connecting()).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("not connected within {limit:?}"),
        )),
    };
    let connected = attempts.run(attempt, full_jitter).instrument(span).await;
    connected
        .map(|(connected, _)| connected)
        .map_err(|error| error.during(OPERATION))
}

use std::time::Duration;

use reqwest::header::HeaderValue;
use sandbox_tunnel::{Proxies, SshClient, SshConfig, Tls, Tunnel, TunnelConfig};
use tokio::time::timeout;
use tracing::{Instrument, debug_span};

use crate::error::from_tunnel_error;
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
        let connecting = async {
            let tunnel = tunnel(&self.client, self.session).await?;
            SshClient::connect(tunnel, &self.config)
                .await
                .map_err(from_tunnel_error)
        };
        within(self.timeout, self.session, connecting).await
    }

    /// Only the tunnel.
    pub(super) async fn open_tunnel(
        client: &SessionsClient,
        session: SessionId,
        limit: Duration,
    ) -> Result<Tunnel, Error> {
        within(limit, session, tunnel(client, session)).await
    }
}

async fn tunnel(client: &SessionsClient, session: SessionId) -> Result<Tunnel, Error> {
    let settings = client.tunnels();
    let url = format!("{}/sessions/{session}", client.api_url());
    let mut config =
        TunnelConfig::authorized_by(&url, settings.authorization.clone()).map_err(from_tunnel_error)?;
    config.user_agent = settings.user_agent.clone();
    config.tls = settings.tls.clone();
    config.proxies = settings.proxies.clone();
    Tunnel::open(&config).await.map_err(from_tunnel_error)
}

async fn within<T>(
    limit: Duration,
    session: SessionId,
    connecting: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let span = debug_span!("connect", operation = OPERATION, %session);
    let late = || {
        let message = format!("not connected within {limit:?}");
        Err(Error::new(ErrorKind::Timeout, message))
    };
    timeout(limit, connecting)
        .instrument(span)
        .await
        .unwrap_or_else(|_| late())
        .map_err(|error| error.during(OPERATION))
}

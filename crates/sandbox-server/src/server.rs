//! A running server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::backend::embedded::{Closed, Embedded, EmbeddedConfig, Lifetime};
use crate::backend::{self, Backend, Capabilities, Missing};
use crate::config::ServerConfig;
use crate::descriptors::Descriptors;
use crate::http::{Api, App, BASE, Callers, Listener, ListenerConfig};
use crate::service::{self, Bounds, Images, Service, SessionBounds, UnknownTarget};

/// How long work that cannot be cut short may take when the server stops.
const CLOSE: Duration = Duration::from_secs(10);

/// A server that answers until it is shut down or dropped.
///
/// [`shutdown`](Self::shutdown) is the way to stop it. Dropping it cuts its connections; persistent sessions live on,
/// ephemeral ones end, and what they leave on disk is removed when the next such server starts.
///
/// ```no_run
/// use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
///
/// # async fn example() -> Result<(), sandbox_server::Error> {
/// let token = Tokens::generate();
/// let config = ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir()).lifetime(Lifetime::Ephemeral);
/// let server = Server::start(config).await?;
/// println!("listening on {}", server.url());
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    url: String,
    capabilities: Capabilities,
    lifetime: Lifetime,
    service: ServiceOwner,
    listener: Listener,
    backend_closed: Closed,
}

/// Ends the service's own work with the server.
struct ServiceOwner {
    service: Arc<Service>,
    housekeeping: JoinHandle<()>,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Reason);

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("cannot host sandboxes")]
    Backend(#[source] backend::Error),
    #[error("the image aliases are not valid")]
    Images(#[source] UnknownTarget),
    #[error("cannot look through the sessions there are")]
    Sessions(#[source] service::Error),
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
}

impl Server {
    /// Takes the state directory and the port, adopts the sessions that are there, and starts answering.
    ///
    /// Raises the soft limit of this process's open files to the hard one: each session takes a few of them.
    ///
    /// The program's `main` must start with `sandbox_agent::run_if_asked()`, unless
    /// [`program`](ServerConfig::program) names another whose does.
    ///
    /// # Errors
    /// When this machine cannot make sandboxes, another server uses the state directory, an image alias leads
    /// nowhere, or the address cannot be listened on.
    pub async fn start(config: ServerConfig) -> Result<Self, Error> {
        let descriptors = Descriptors::raised();
        descriptors.check(config.max_sessions, config.max_connections);
        let backend = EmbeddedConfig {
            state_dir: config.state_dir,
            lifetime: config.lifetime,
            limits: config.limits,
            shared_paths: config.shared_paths,
            images: config.images,
            program: config.program,
        };
        let backend = Embedded::open(backend).await.map_err(Reason::Backend)?;
        let capabilities = backend.capabilities().clone();
        let backend_closed = backend.closed();
        warn_of_missing(&capabilities);
        let images = Images::new(&capabilities, &config.image_aliases).map_err(Reason::Images)?;
        let bounds = Bounds {
            sessions: SessionBounds {
                of_all: config.max_sessions,
                per_owner: config.max_sessions_per_owner,
            },
            output_bytes: config.max_output_bytes,
            upload_bytes: config.max_upload_bytes,
            tunnels: config.tunnels,
        };
        let service = ServiceOwner::new(Service::new(Arc::new(backend), images, bounds));
        service.service.recall_keys().await.map_err(Reason::Sessions)?;
        let app = App {
            service: service.service.clone(),
            callers: Arc::new(Callers::new(config.tokens, config.rate_limit)),
        };
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let listening = ListenerConfig {
            address: config.listen,
            tls: config.tls.map(|identity| identity.acceptor()),
            connections: config.max_connections,
            head_time: config.head_time,
            keepalive: config.keepalive,
            descriptors,
        };
        let listener = Listener::start(listening, Api::new(app))
            .await
            .map_err(|source| Reason::Listen {
                address: config.listen,
                source,
            })?;
        let url = format!("{scheme}://{}{BASE}", listener.address());
        tracing::info!(url, "serving");
        Ok(Self {
            url,
            capabilities,
            lifetime: config.lifetime,
            service,
            listener,
            backend_closed,
        })
    }

    /// Where the API is, as in `http://127.0.0.1:8080/v1`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What this server's sandboxes can and cannot do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Accepts nothing more, closes the tunnels, gives the requests under way a few seconds, and stops. Ephemeral sessions are destroyed;
    /// persistent ones live on.
    pub async fn shutdown(self) {
        self.service.service.cut_tunnels();
        self.listener.shutdown().await;
        let service = self.service.stop().await;
        match self.lifetime {
            Lifetime::Ephemeral => service.destroy_all().await,
            Lifetime::Persistent => service.write_activity().await,
        }
        drop(service);
        if timeout(CLOSE, self.backend_closed.wait()).await.is_err() {
            tracing::warn!("work that was begun goes on");
        }
    }
}

fn warn_of_missing(capabilities: &Capabilities) {
    for Missing { what, why, remedy } in &capabilities.missing {
        tracing::warn!(
            what,
            why,
            remedy,
            "this machine cannot give its sandboxes something"
        );
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl ServiceOwner {
    fn new(service: Arc<Service>) -> Self {
        let housekeeping = service.keep_house();
        Self {
            service,
            housekeeping,
        }
    }

    async fn stop(mut self) -> Arc<Service> {
        self.housekeeping.abort();
        let _ = (&mut self.housekeeping).await;
        self.service.close_tunnels().await;
        self.service.clone()
    }
}

impl Drop for ServiceOwner {
    fn drop(&mut self) {
        self.service.cut_tunnels();
        self.housekeeping.abort();
    }
}

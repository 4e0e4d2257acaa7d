//! The port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::Api;
use super::half_open;
use super::turn_away::turn_away;
use crate::descriptors::Descriptors;

/// How long a client may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many headers a request may have.
const HEADERS: usize = 64;

/// Bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;

/// How many clients are told at the same time that there is no room for them. To the others nothing is said.
const REFUSALS: usize = 4;

/// How long requests under way may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// How a port is served.
#[derive(Clone)]
pub(crate) struct ListenerConfig {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsAcceptor>,
    /// How many connections are served at the same time; further ones wait to be accepted.
    pub(crate) connections: usize,
    /// How long the head of a request may take to arrive, which includes the time a kept connection is idle.
    pub(crate) head_time: Duration,
    /// After how much silence a client is asked whether it is still there.
    pub(crate) keepalive: Duration,
    pub(crate) descriptors: Descriptors,
}

/// A port that is being served. Dropping it cuts every connection.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Takes the port and serves it.
    pub(crate) async fn start(config: ListenerConfig, api: Api) -> std::io::Result<Self> {
        let listener = TcpListener::bind(config.address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let protocol = Protocol {
            config: Arc::new(config),
            api,
        };
        let task = tokio::spawn(accept(listener, protocol, stopped));
        Ok(Self { address, stop, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, lets requests under way end for a while, and cuts the rest.
    pub(crate) async fn shutdown(mut self) {
        self.stop.send_replace(true);
        if timeout(GRACE, &mut self.task).await.is_err() {
            tracing::warn!("requests under way were cut");
            self.task.abort();
            // An abort is only asked for; what the requests held is given back when the task is gone.
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is spoken on a connection.
#[derive(Clone)]
struct Protocol {
    config: Arc<ListenerConfig>,
    api: Api,
}

async fn accept(listener: TcpListener, protocol: Protocol, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(protocol.config.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    // Owns the connections: dropping it with this task aborts them.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener, &places) => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop(&mut stopped) => break,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        if !protocol.config.descriptors.are_scarce(&stream) {
            connections.spawn(welcome(stream, protocol.clone(), stopped.clone(), place));
        } else if protocol.config.tls.is_none()
            && let Ok(refusal) = refusals.clone().try_acquire_owned()
        {
            connections.spawn(async move {
                turn_away(stream).await;
                drop(refusal);
            });
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            // Out of descriptors, most likely: the next attempt would fail at once.
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Waits until the server is to stop, or nobody is left to say so.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn welcome(
    stream: TcpStream,
    protocol: Protocol,
    mut stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be delayed");
    }
    if let Err(error) = half_open::notice(&stream, protocol.config.keepalive) {
        tracing::debug!(%error, "a client that vanishes is noticed late");
    }
    let Some(tls) = &protocol.config.tls else {
        return serve(stream, protocol, stopped).await;
    };
    let secured = tokio::select! {
        secured = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => secured,
        () = stop(&mut stopped) => return,
    };
    match secured {
        Ok(Ok(stream)) => serve(stream, protocol.clone(), stopped).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS"),
        Err(_) => tracing::debug!("a client did not go on with TLS"),
    }
}

async fn serve<S>(stream: S, protocol: Protocol, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Protocol { config, api } = protocol;
    let service = service_fn(|request: http::Request<Incoming>| {
        let answer = api.clone().answer(request.map(Body::new));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_time)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection failed");
    }
}

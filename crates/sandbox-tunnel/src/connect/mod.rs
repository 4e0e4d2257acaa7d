//! A tunnel through HTTP: `CONNECT`, over TCP or TLS, through an outer proxy where one is asked for.

mod config;
mod dial;
mod handshake;
mod proxies;
mod refusal;
mod tls;

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Uri, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use config::{TunnelConfig, TunnelTimeouts};
pub use proxies::Proxies;
pub use refusal::Refusal;
pub use tls::Tls;

use crate::{Error, Phase};
use dial::Endpoint;

/// Whatever carries bytes, whichever layers it has.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type BoxIo = Box<dyn Io>;

/// Raw bytes to whatever the target of a `CONNECT` leads to; for a session, to its SSH server.
///
/// Nothing that the other end sends is lost, also when its first bytes come in one piece with the answer. The end of
/// one direction leaves the other open. Dropping it closes the connection.
///
/// ```no_run
/// use sandbox_tunnel::{Tunnel, TunnelConfig};
/// use tokio::io::AsyncReadExt;
///
/// # async fn example(session: &str, token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let url = format!("https://api.sandbox.example.com/v1/sessions/{session}");
/// let mut tunnel = Tunnel::open(&TunnelConfig::new(&url, token)?).await?;
/// let mut banner = [0; 8];
/// tunnel.read_exact(&mut banner).await?;
/// assert_eq!(&banner, b"SSH-2.0-");
/// # Ok(())
/// # }
/// ```
pub struct Tunnel {
    /// What came in one piece with the answer, and has not been read.
    early: Bytes,
    stream: BoxIo,
}

impl Tunnel {
    /// Connects, to the outer proxy first if there is one, and asks for the tunnel.
    ///
    /// # Errors
    ///
    /// In the phases [`Phase::Resolve`], [`Phase::Connect`], [`Phase::Tls`], [`Phase::Proxy`] and
    /// [`Phase::HttpConnect`], each after the time set for it at the latest. Where a server said no, the error's
    /// [`refusal`](Error::refusal) is what it said.
    pub async fn open(config: &TunnelConfig) -> Result<Self, Error> {
        let target = Endpoint::of(&config.url)?;
        let stream = match config.proxies.intercept(&config.url) {
            None => dial::dial(&target, config).await?,
            Some(proxy) => through(&proxy, &target, config).await?,
        };
        let stream = secured(stream, &config.url, &target, config).await?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, config.authorization.clone());
        let path = Uri::from(config.url.path_and_query().cloned().unwrap_or_else(root));
        let host = authority(&config.url);
        handshake::connect(stream, path, host, headers, Phase::HttpConnect, config).await
    }
}

/// A stream to the target through a proxy, which sees no more of it than where it leads.
async fn through(
    proxy: &proxies::Intercepted,
    target: &Endpoint,
    config: &TunnelConfig,
) -> Result<BoxIo, Error> {
    let endpoint = Endpoint::of(proxy.url())?;
    let stream = dial::dial(&endpoint, config).await?;
    let stream = secured(stream, proxy.url(), &endpoint, config).await?;
    let authority = target.authority();
    let uri = authority
        .parse()
        .map_err(|error| Error::caused_by(Phase::Proxy, crate::ErrorKind::InvalidConfig, error))?;
    let mut headers = HeaderMap::new();
    if let Some(authorization) = proxy.authorization() {
        headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let tunnel = handshake::connect(stream, uri, authority, headers, Phase::Proxy, config).await?;
    Ok(Box::new(tunnel))
}

/// The same stream, in TLS if the URL says so.
async fn secured(
    stream: BoxIo,
    url: &Uri,
    endpoint: &Endpoint,
    config: &TunnelConfig,
) -> Result<BoxIo, Error> {
    if url.scheme_str() == Some("https") {
        tls::handshake(stream, endpoint.host(), config).await
    } else {
        Ok(stream)
    }
}

fn root() -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static("/")
}

fn authority(url: &Uri) -> String {
    url.authority().map(ToString::to_string).unwrap_or_default()
}

/// A bearer token as a header has it, marked so that nothing prints it.
fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.early.len().min(buf.remaining());
        buf.put_slice(self.early.get(..count).unwrap_or_default());
        self.early.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}

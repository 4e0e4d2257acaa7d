//! The server behind a tap.

use std::io;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};

use super::TapError;

/// Where a server is and how it is spoken to.
pub(super) struct Upstream {
    host: String,
    port: u16,
    base: String,
    /// What it is to be called, where its clients do not know.
    name: Option<HeaderValue>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection, which can be ended in a way that the other end notices at once.
pub(super) trait Link: AsyncRead + AsyncWrite + Send + Unpin {
    /// From now on the end of this connection is a reset, and not an orderly one.
    fn reset_at_end(&self);
}

impl Link for TcpStream {
    fn reset_at_end(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Link for TlsStream<TcpStream> {
    fn reset_at_end(&self) {
        self.get_ref().0.reset_at_end();
    }
}

impl Upstream {
    pub(super) fn parse(url: &str) -> Result<Self, TapError> {
        let invalid = || TapError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let authority = uri.authority().ok_or_else(invalid)?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let (default_port, tls) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| invalid())?;
                (443, Some((TlsConnector::from(Arc::new(tls_client()?)), name)))
            }
            _ => return Err(invalid()),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(default_port),
            host,
            base: uri.path().trim_end_matches('/').to_owned(),
            name: None,
            tls,
        })
    }

    /// Has it called by the name in its address, and not by that of the tap.
    pub(super) fn by_name(mut self, url: &str) -> Result<Self, TapError> {
        let uri: Option<Uri> = url.parse().ok();
        let name = uri
            .as_ref()
            .and_then(Uri::authority)
            .and_then(|name| name.as_str().parse().ok());
        self.name = Some(name.ok_or_else(|| TapError::Url(url.to_owned()))?);
        Ok(self)
    }

    pub(super) fn name(&self) -> Option<&HeaderValue> {
        self.name.as_ref()
    }

    /// The path below which the API is, without a slash at its end.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) async fn connect(&self) -> io::Result<Box<dyn Link>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
        }
    }
}

/// Trusts what the system trusts.
fn tls_client() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new(provider.clone())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

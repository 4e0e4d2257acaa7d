//! The server behind a tap.

use std::io;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use tokio_rustls::{client, server};

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

impl Link for client::TlsStream<TcpStream> {
    fn reset_at_end(&self) {
        self.get_ref().0.reset_at_end();
    }
}

impl Link for server::TlsStream<TcpStream> {
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
                (443, Some((connector(trusting_what_the_system_trusts()?), name)))
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

    /// Has it trusted if it shows this certificate, in PEM form, and no other.
    pub(super) fn showing(mut self, certificate: &str) -> Result<Self, TapError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes())?)?;
        if let Some((of_any, _)) = &mut self.tls {
            let config = tls_client()?.with_root_certificates(roots);
            *of_any = connector(config.with_no_client_auth());
        }
        Ok(self)
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

fn connector(mut config: ClientConfig) -> TlsConnector {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn trusting_what_the_system_trusts() -> Result<ClientConfig, rustls::Error> {
    let verifier = Verifier::new(Arc::new(aws_lc_rs::default_provider()))?;
    let config = tls_client()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(config.with_no_client_auth())
}

fn tls_client() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
}

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
};

use rustls_platform_verifier::Verifier;
use tokio::time::timeout;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    },
};

use super::{BoxIo, TunnelConfig};
use crate::{Error, ErrorKind, Phase};

/// Whose certificates are trusted. Clones share what they have learned of servers.
///
/// ```no_run
/// use sandbox_tunnel::{Tls, TunnelConfig};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = TunnelConfig::new("https://sandbox.internal:8443/v1/sessions/ID", "your-token-here")?;
/// config.tls = Tls::with_authorities([std::fs::read("ca.pem")?])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Tls(Arc<Inner>);

#[derive(Default)]
struct Inner {
    authorities: Vec<CertificateDer<'static>>,
    accept_any: bool,
    /// Made when it is first needed: reading the system's authorities takes a while, and a bare machine has none.
    client: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Trusts the authorities of the system, and those of these certificates in PEM form, of which each item may hold
    /// several.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for an item that cannot be read.
    pub fn with_authorities(pem: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Self, Error> {
        let invalid = |error| Error::caused_by(Phase::Tls, ErrorKind::InvalidConfig, error);
        let mut authorities = Vec::new();
        for bundle in pem {
            for certificate in CertificateDer::pem_slice_iter(bundle.as_ref()) {
                authorities.push(certificate.map_err(invalid)?);
            }
        }
        Ok(Self(Arc::new(Inner {
            authorities,
            ..Inner::default()
        })))
    }

    /// Trusts every certificate: whoever sits in between can then read everything, the token first.
    ///
    /// ```
    /// use sandbox_tunnel::{Tls, TunnelConfig};
    ///
    /// let mut config = TunnelConfig::new("https://localhost:8443/v1/sessions/ID", "for-a-test-on-this-machine")?;
    /// config.tls = Tls::danger_accept_invalid_certs();
    /// # Ok::<(), sandbox_tunnel::Error>(())
    /// ```
    #[must_use]
    pub fn danger_accept_invalid_certs() -> Self {
        Self(Arc::new(Inner {
            accept_any: true,
            ..Inner::default()
        }))
    }

    fn client(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(client) = self.0.client.get() {
            return Ok(client.clone());
        }
        let made = Arc::new(self.0.make()?);
        Ok(self.0.client.get_or_init(|| made).clone())
    }
}

impl Inner {
    fn make(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = CryptoProvider::get_default()
            .cloned()
            .unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
        let verifier: Arc<dyn ServerCertVerifier> = if self.accept_any {
            Arc::new(AcceptAny(provider.clone()))
        } else {
            let authorities = self.authorities.iter().cloned();
            Arc::new(Verifier::new_with_extra_roots(authorities, provider.clone())?)
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

pub(super) async fn handshake(stream: BoxIo, host: &str, config: &TunnelConfig) -> Result<BoxIo, Error> {
    let invalid = |error| Error::caused_by(Phase::Tls, ErrorKind::InvalidConfig, error);
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Error::caused_by(Phase::Tls, ErrorKind::InvalidConfig, error))?;
    let connector = TlsConnector::from(config.tls.client().map_err(invalid)?);
    let stream = timeout(config.timeouts.tls, connector.connect(name, stream))
        .await
        .map_err(|_| Error::new(Phase::Tls, ErrorKind::TimedOut))?
        .map_err(failed)?;
    Ok(Box::new(stream))
}

fn failed(error: io::Error) -> Error {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let kind = match cause {
        Some(rustls::Error::InvalidCertificate(_)) => ErrorKind::Untrusted,
        Some(_) => ErrorKind::Protocol,
        None => ErrorKind::Disconnected,
    };
    Error::caused_by(Phase::Tls, kind, error)
}

/// Signatures are checked all the same: that costs nothing, and the server has to have the key it shows.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.0.authorities.len())
            .field("accept_any", &self.0.accept_any)
            .finish_non_exhaustive()
    }
}

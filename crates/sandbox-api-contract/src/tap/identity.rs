//! What a tap shows to clients that speak TLS.

use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::TapError;

/// A certificate for the loopback address, signed by itself, with its key.
pub(super) struct Identity {
    acceptor: TlsAcceptor,
    certificate_pem: String,
}

impl Identity {
    pub(super) fn make() -> Result<Self, TapError> {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.into())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate_pem: cert.pem(),
        })
    }

    pub(super) fn into_parts(self) -> (TlsAcceptor, String) {
        (self.acceptor, self.certificate_pem)
    }
}

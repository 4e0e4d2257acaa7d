//! How clients know the server.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The certificate of a server, with its private key.
///
/// ```
/// use sandbox_server::TlsIdentity;
///
/// let identity = TlsIdentity::self_signed(["localhost", "127.0.0.1"])?;
/// println!("SHA-256 {}", identity.fingerprint());
/// # Ok::<(), sandbox_server::TlsError>(())
/// ```
#[derive(Clone)]
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files hold no certificate and private key that go together.
    #[error("the certificate and its private key cannot be used")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TlsIdentity {
    /// A certificate, followed by those that vouch for it, and its private key, both files in PEM form.
    ///
    /// # Errors
    /// [`TlsError::Read`], and [`TlsError::Unusable`] when they are no such files or do not go together.
    pub fn from_pem_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::from_pem(read(certificate.as_ref())?, &read(key.as_ref())?)
    }

    /// A new certificate for these names and addresses, signed by its own key, which is forgotten with it. Clients have
    /// to be told to trust it.
    ///
    /// # Errors
    /// [`TlsError::Unusable`] for what is neither a name of a host nor an address.
    pub fn self_signed<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self, TlsError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(unusable)?;
        Self::from_pem(made.cert.pem(), &made.signing_key.serialize_pem())
    }

    /// What tells the certificate from every other: the SHA-256 of it, in hexadecimal digits with colons.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let bytes = Sha256::digest(&self.certificate);
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// The certificate in PEM form, for clients to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    fn from_pem(certificate_pem: String, key: &str) -> Result<Self, TlsError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(unusable)?;
        let certificate = chain
            .first()
            .cloned()
            .ok_or_else(|| unusable("there is no certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(unusable)?;
        Ok(Self {
            config: Arc::new(config(chain, key).map_err(unusable)?),
            certificate,
            certificate_pem,
        })
    }
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // `CONNECT` to a path is a thing of this version.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn unusable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TlsError {
    TlsError::Unusable(cause.into())
}

/// Shows no key.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_certificate_is_new_each_time_and_its_key_is_not_shown() {
        let [one, two] = [(); 2].map(|()| TlsIdentity::self_signed(["localhost"]).unwrap());
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert_eq!(one.fingerprint().len(), 32 * 3 - 1);
        assert!(one.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!format!("{one:?}").contains("PRIVATE"), "{one:?}");
    }

    #[test]
    fn files_that_do_not_go_together_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let [one, two] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap());
        let certificate = write("certificate", &one.cert.pem());
        let (right, wrong) = (
            write("right", &one.signing_key.serialize_pem()),
            write("wrong", &two.signing_key.serialize_pem()),
        );
        TlsIdentity::from_pem_files(&certificate, &right).unwrap();
        for (certificate, key) in [
            (&certificate, &wrong),
            (&right, &right),
            (&certificate, &certificate),
        ] {
            let error = TlsIdentity::from_pem_files(certificate, key).unwrap_err();
            assert!(matches!(error, TlsError::Unusable(_)), "{error:?}");
        }
        let error = TlsIdentity::from_pem_files("/nowhere", &right).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere");
    }
}

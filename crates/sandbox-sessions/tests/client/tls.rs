//! Which certificates are trusted.

use std::sync::Arc;

use sandbox_sessions::{ErrorKind, SessionsClient, SessionsClientBuilder};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::support::{TOKEN, answer, id, read_request, session};

/// Signed by itself, for 127.0.0.1 and for these tests only.
const CERTIFICATE: &str = include_str!("tls/certificate.pem");
const KEY: &str = include_str!("tls/key.pem");

/// The settings of a client for a TLS server that answers every request with a session.
async fn builder() -> SessionsClientBuilder {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate hangs up here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            read_request(&mut stream).await;
            let answer = answer("200 OK", "application/json", &session().to_string());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    SessionsClient::builder().url(url).token(TOKEN)
}

#[tokio::test]
async fn an_unknown_certificate_is_refused() {
    // Without the system's authorities, so that the test does not depend on there being any.
    let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let client = builder().await.http_client(http).build().unwrap();
    let error = client.get_session(&id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(error.message(), "cannot connect to the API");
}

#[tokio::test]
async fn a_certificate_that_was_added_is_trusted() {
    let client = builder()
        .await
        .root_certificates_pem(CERTIFICATE)
        .build()
        .unwrap();
    assert_eq!(client.get_session(&id()).await.unwrap().id(), id());
}

#[tokio::test]
async fn any_certificate_is_accepted_where_that_was_asked_for() {
    let client = builder().await.danger_accept_invalid_certs(true).build().unwrap();
    assert_eq!(client.get_session(&id()).await.unwrap().id(), id());
}

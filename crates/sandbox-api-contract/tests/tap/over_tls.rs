//! Servers and clients that speak TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use sandbox_api_contract::Tap;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::script::{LIST, STANDING, answer, request, serving};

/// A server that answers once, and its certificate.
fn secured(answer: String) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], made.signing_key.into())
        .unwrap();
    let config = Arc::new(config);
    let url = serving(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
        if stream.read(&mut [0; 1024]).is_ok() {
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url.replace("http:", "https:"), made.cert.pem())
}

/// What somebody hears who trusts this certificate.
fn talk(tap: &Tap, trusted: &str, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(tap.address())?);
    stream.write_all(request.as_bytes())?;
    let mut heard = vec![0; 1024];
    let length = stream.read(&mut heard)?;
    heard.truncate(length);
    Ok(String::from_utf8(heard).unwrap())
}

fn list() -> String {
    request("GET /v1/sessions", "somebody", "")
}

#[test]
fn a_fault_is_heard() {
    let (url, certificate) = secured(answer("200 OK", STANDING, "{}"));
    let tap = Tap::before_tls(&url, &certificate).unwrap();
    assert!(tap.url().starts_with("https://127.0.0.1:"), "{}", tap.url());
    let heard = talk(&tap, tap.certificate_pem().unwrap(), &list()).unwrap();
    assert!(heard.ends_with("{}"), "{heard}");
    assert!(!tap.verdict().is_empty());
}

#[test]
fn what_is_right_passes() {
    let (url, certificate) = secured(answer("200 OK", STANDING, LIST));
    let tap = Tap::before_tls(&url, &certificate).unwrap();
    let heard = talk(&tap, tap.certificate_pem().unwrap(), &list()).unwrap();
    assert!(heard.ends_with(LIST), "{heard}");
    tap.assert_kept();
}

#[test]
fn the_servers_own_certificate_is_not_that_of_the_tap() {
    let (url, certificate) = secured(answer("200 OK", STANDING, LIST));
    let tap = Tap::before_tls(&url, &certificate).unwrap();
    talk(&tap, &certificate, &list()).unwrap_err();
}

#[test]
fn a_server_with_another_certificate_is_not_spoken_to() {
    let (url, _) = secured(answer("200 OK", STANDING, LIST));
    let (_, other) = secured(String::new());
    let tap = Tap::before_tls(&url, &other).unwrap();
    talk(&tap, tap.certificate_pem().unwrap(), &list()).unwrap_err();
}

//! Over TLS.

use std::{net::SocketAddr, sync::Arc};

use sandbox_tunnel::{ErrorKind, Phase, Tls, Tunnel, TunnelConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::script::{ESTABLISHED, read_head};

/// A server whose certificate is for 127.0.0.1 and signed by itself; and that certificate in PEM form.
async fn server() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            read_head(&mut stream).await;
            stream
                .write_all(&[ESTABLISHED, b"SSH-2.0-x\r\n"].concat())
                .await
                .unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, made.cert.pem())
}

fn config(address: SocketAddr, tls: Tls) -> TunnelConfig {
    let mut config = TunnelConfig::new(&format!("https://{address}/v1/sessions/some"), "t").unwrap();
    config.tls = tls;
    config
}

#[tokio::test]
async fn a_certificate_that_is_trusted_opens_a_tunnel() {
    let (address, pem) = server().await;
    let others = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
    for tls in [
        Tls::with_authorities([&pem]).unwrap(),
        Tls::with_authorities([others.cert.pem() + &pem]).unwrap(),
        Tls::danger_accept_invalid_certs(),
    ] {
        let mut tunnel = Tunnel::open(&config(address, tls)).await.unwrap();
        let mut heard = Vec::new();
        tunnel.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"SSH-2.0-x\r\n");
    }
}

#[tokio::test]
async fn any_other_certificate_is_refused() {
    let (address, pem) = server().await;
    let others = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let stranger = config(address, Tls::with_authorities([others.cert.pem()]).unwrap());
    let other_name = format!("https://localhost:{}/v1/sessions/some", address.port());
    let mut other_name = TunnelConfig::new(&other_name, "t").unwrap();
    other_name.tls = Tls::with_authorities([pem]).unwrap();
    for config in [stranger, other_name] {
        let error = Tunnel::open(&config).await.unwrap_err();
        assert_eq!(
            (error.phase(), error.kind()),
            (Phase::Tls, ErrorKind::Untrusted),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_is_noticed() {
    let (address, _) = crate::script::serve_one(|mut stream| async move {
        let _ = stream.read(&mut [0; 100]).await;
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let error = Tunnel::open(&config(address, Tls::danger_accept_invalid_certs()))
        .await
        .unwrap_err();
    assert_eq!((error.phase(), error.kind()), (Phase::Tls, ErrorKind::Protocol));
}

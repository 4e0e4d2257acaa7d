//! Through an outer proxy.

use sandbox_tunnel::{ErrorKind, Phase, Proxies, Tunnel, TunnelConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::script::{ESTABLISHED, config, read_head, serve_one};

#[tokio::test]
async fn a_proxy_learns_the_way_and_not_the_token() {
    // What comes from the server is glued to the answer of the proxy, to see that it is read by the right one.
    let (address, served) = serve_one(|mut stream| async move {
        let to_proxy = read_head(&mut stream).await;
        stream.write_all(ESTABLISHED).await.unwrap();
        let to_server = read_head(&mut stream).await;
        stream
            .write_all(&[ESTABLISHED, b"SSH-2.0-x\r\n"].concat())
            .await
            .unwrap();
        (to_proxy, to_server)
    })
    .await;
    let mut config = TunnelConfig::new("http://api.example.com/v1/sessions/some", "secret-token").unwrap();
    config.proxies = Proxies::all(&format!("http://user:pass@{address}"), "");
    let mut tunnel = Tunnel::open(&config).await.unwrap();
    let mut heard = Vec::new();
    tunnel.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"SSH-2.0-x\r\n");
    let (to_proxy, to_server) = served.await.unwrap();
    let (to_proxy, to_server) = (to_proxy.to_ascii_lowercase(), to_server.to_ascii_lowercase());
    assert!(
        to_proxy.starts_with("connect api.example.com:80 http/1.1\r\n"),
        "{to_proxy}"
    );
    assert!(
        to_proxy.contains("proxy-authorization: basic dxnlcjpwyxnz"),
        "{to_proxy}"
    );
    assert!(to_proxy.contains("host: api.example.com:80"), "{to_proxy}");
    assert!(!to_proxy.contains("secret-token"), "{to_proxy}");
    assert!(
        to_server.starts_with("connect /v1/sessions/some http/1.1\r\n"),
        "{to_server}"
    );
    assert!(
        to_server.contains("authorization: bearer secret-token"),
        "{to_server}"
    );
    assert!(!to_server.contains("proxy-authorization"), "{to_server}");
}

#[tokio::test]
async fn the_refusal_of_a_proxy_is_not_that_of_the_server() {
    let (address, _) = serve_one(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let mut config = TunnelConfig::new("https://api.example.com/v1/sessions/some", "t").unwrap();
    config.proxies = Proxies::all(&format!("http://{address}"), "");
    let error = Tunnel::open(&config).await.unwrap_err();
    assert_eq!((error.phase(), error.kind()), (Phase::Proxy, ErrorKind::Refused));
    assert_eq!(error.refusal().unwrap().status.as_u16(), 407);
}

#[tokio::test]
async fn hosts_that_need_no_proxy_have_none() {
    let (address, _) = serve_one(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(ESTABLISHED).await.unwrap();
    })
    .await;
    let mut config = config(address);
    config.proxies = Proxies::all("http://127.0.0.1:1", "example.com, 127.0.0.0/8");
    Tunnel::open(&config).await.unwrap();
}

#[tokio::test]
async fn a_kind_of_proxy_that_is_not_known_is_refused() {
    let mut config = TunnelConfig::new("http://api.example.com/v1", "t").unwrap();
    config.proxies = Proxies::all("socks5://127.0.0.1:1", "");
    let error = Tunnel::open(&config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

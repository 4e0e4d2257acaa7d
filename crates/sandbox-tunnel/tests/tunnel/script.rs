//! Servers that do as they are told.

use std::{future::Future, net::SocketAddr, time::Duration};

use sandbox_tunnel::TunnelConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// Longer than anything takes on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";

/// Serves one connection.
pub(crate) async fn serve_one<T, F>(
    script: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<T>)
where
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        script(stream).await
    });
    (address, served)
}

/// The head of a request, and nothing after it.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            timeout(DEADLINE, stream.read_u8())
                .await
                .expect("a head in time")
                .expect("a head"),
        );
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn config(address: SocketAddr) -> TunnelConfig {
    TunnelConfig::new(&format!("http://{address}/v1/sessions/some"), "secret-token").unwrap()
}

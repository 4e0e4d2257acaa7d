//! Clients and servers that are no more than a few lines, and servers of this product with settings of their own.

use contract_tests::ServerProcess;
use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::SessionsClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const TOKEN: &str = "the-token-of-the-network-tests-0123456789ab";

/// A server in this process that a trial has for itself.
pub(crate) struct OwnServer {
    server: Server,
    _state: tempfile::TempDir,
}

impl OwnServer {
    pub(crate) async fn start(configured: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        let state = tempfile::tempdir().unwrap();
        let tokens = Tokens::from_lines(TOKEN).unwrap();
        let config = ServerConfig::new(tokens, state.path()).lifetime(Lifetime::Ephemeral);
        let server = Server::start(configured(config)).await.unwrap();
        Self {
            server,
            _state: state,
        }
    }

    pub(crate) fn url(&self) -> &str {
        #[expect(
            clippy::disallowed_methods,
            reason = "these trials are about the connections themselves"
        )]
        self.server.url()
    }

    /// Where it listens, such as `127.0.0.1:40000`.
    pub(crate) fn address(&self) -> String {
        address(self.url())
    }

    pub(crate) fn client(&self) -> SessionsClient {
        SessionsClient::new(self.url(), TOKEN).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.server.shutdown().await;
    }
}

/// A client of a server that no tap is in front of.
pub(crate) fn direct_client(server: &ServerProcess) -> SessionsClient {
    SessionsClient::new(server.direct_url(), ServerProcess::TOKEN).unwrap()
}

/// The host and the port of a URL.
pub(crate) fn address(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest.split_once('/').unwrap().0.to_owned()
}

/// A connection on which something was said.
pub(crate) async fn say(address: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The request for a tunnel to a session.
pub(crate) fn connect_request(session: impl std::fmt::Display, token: &str) -> String {
    format!(
        "CONNECT /v1/sessions/{session} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
}

/// The head of an answer, and nothing after it.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    String::from_utf8(head).unwrap()
}

/// An answer with a body and its length, after which the connection is closed. It says so: a client may put a
/// connection that nothing was said about into its pool, and send its next request on it while the end is on its way.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

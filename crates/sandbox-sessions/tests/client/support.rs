//! What the tests share: a client for a mock, canned answers, and a TCP server that misbehaves on purpose.

use std::time::Duration;

use sandbox_api_contract::Tap;
use sandbox_sessions::{RetryPolicy, SessionId, SessionsClient};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const TOKEN: &str = "hunter2-the-secret-token";
pub(crate) const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

pub(crate) fn id() -> SessionId {
    ID.parse().unwrap()
}

/// A client that sends each request once: what a failure looks like is one thing, and what is repeated (see
/// `retries.rs`) another.
pub(crate) fn client_for(url: impl Into<String>) -> SessionsClient {
    SessionsClient::builder()
        .url(url)
        .token(TOKEN)
        .retries(RetryPolicy::none())
        .build()
        .unwrap()
}

pub(crate) fn session() -> Value {
    json!({
        "sessionId": ID,
        "status": "running",
        "createdAt": "2026-01-01T12:00:00.000Z",
        "expiresAt": "2026-01-01T13:00:00.000Z",
        "lastActivityAt": "2026-01-01T12:05:00.000Z",
        "metadata": { "user": "alice" },
    })
}

pub(crate) fn command_result() -> Value {
    json!({ "status": "completed", "exitCode": 0, "stdout": "42\n", "stderr": "" })
}

/// A server that reads one request from each connection, sends the same bytes to each, and closes it. The requests
/// are held against the API's document on their way.
pub(crate) struct Scripted {
    tap: Tap,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Answers with `answer`, byte for byte, and then closes the connection.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    /// Answers with `answer` and then says nothing more, without closing the connection.
    pub(crate) async fn stalling_after(answer: &'static [u8]) -> Self {
        Self::start(move |mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(answer).await;
            std::future::pending::<()>().await;
        })
        .await
    }

    /// Answers with a body that never ends.
    pub(crate) async fn flooding() -> Self {
        Self::start(|mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
                .await;
            while stream.write_all(&[b' '; 64 * 1024]).await.is_ok() {}
        })
        .await
    }

    pub(crate) async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tap = Tap::before_mock(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { tap, task }
    }

    pub(crate) fn url(&self) -> String {
        self.tap.url()
    }

    pub(crate) fn client(&self) -> SessionsClient {
        client_for(self.url())
    }

    pub(crate) fn impatient_client(&self) -> SessionsClient {
        SessionsClient::builder()
            .url(self.url())
            .token(TOKEN)
            .timeout(Duration::from_millis(200))
            .retries(RetryPolicy::none())
            .build()
            .unwrap()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a request's head and as much body as it announces, and returns both.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        request.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if count == 0 {
            return text;
        }
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if body.len() >= announced {
                return text;
            }
        }
    }
}

/// An HTTP/1.1 answer with a correct length, after which the connection is closed.
pub(crate) fn answer(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

//! A server, and what talks to it.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use sandbox_api_contract::Tap;
use sandbox_server::{Error, Lifetime, Limits, Server, ServerConfig, Tokens};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ALICE: &str = "alice-0123456789abcdef";
pub(crate) const BOB: &str = "bob-0123456789abcdef";

/// What the server under test takes as an upload.
pub(crate) const MAX_UPLOAD: usize = 8 << 20;

/// What the sandboxes of the server under test may write.
const DISK: u64 = 6 << 20;

/// A server in this process, with two owners. It is reached through a tap, which holds all it says against the API's
/// document.
pub(crate) struct TestServer {
    server: Server,
    tap: Tap,
    http: reqwest::Client,
    state: TempDir,
}

/// A server's configuration with two owners and small sandboxes.
pub(crate) fn config(state: &Path) -> ServerConfig {
    let tokens = Tokens::from_lines(&format!("alice:{ALICE}\nbob:{BOB}")).expect("tokens");
    let limits = Limits {
        memory_bytes: 256 << 20,
        disk_bytes: DISK,
        ..Limits::default()
    };
    ServerConfig::new(tokens, state).limits(limits)
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl TestServer {
    pub(crate) async fn start() -> Result<Self, Error> {
        let state = tempfile::tempdir().expect("a directory");
        let config = config(state.path())
            .lifetime(Lifetime::Ephemeral)
            .image_aliases([("python:3.11".to_owned(), "host".to_owned())])
            .max_upload_bytes(MAX_UPLOAD as u64);
        Self::start_with(config, state).await
    }

    /// A server that keeps its state in the directory.
    pub(crate) async fn start_with(config: ServerConfig, state: TempDir) -> Result<Self, Error> {
        let server = Server::start(config).await?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(120))
            .build()
            .expect("a client");
        let tap = Tap::before(server.url()).expect("a tap");
        Ok(Self {
            server,
            tap,
            http,
            state,
        })
    }

    /// Hands over the directory with what is in it.
    pub(crate) async fn stop(self) -> TempDir {
        self.server.shutdown().await;
        self.tap.assert_kept();
        self.state
    }

    /// Ends without a word to anybody, and writes nothing down: what is in the directory then is all that is left by a
    /// server that was killed.
    pub(crate) fn abandon(self) -> TempDir {
        self.state
    }

    /// Has the server find nobody any more behind the path of a session, which lives on.
    pub(crate) fn obstruct(&self, session: &str) {
        let directory = self.state.path().join(session.trim_start_matches('/'));
        for file in ["agent.sock", "control.key"] {
            std::fs::remove_file(directory.join(file)).expect("the file is there");
        }
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.tap.address().to_string()
    }

    /// A request of nobody; the path starts after the base path.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.tap.url()))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(ALICE)
    }

    pub(crate) fn as_bob(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(BOB)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// The path of a new session.
    pub(crate) async fn session(&self) -> String {
        let answer = answer(self.request(Method::POST, "/sessions")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        format!(
            "/sessions/{}",
            answer.json()["sessionId"].as_str().expect("an id")
        )
    }
}

/// The answer to a request.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.expect("a whole body").to_vec();
    Answer {
        status,
        headers,
        body,
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// Checks that this is an error as documented, and that its message says something about each of `words`.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str, words: &[&str]) {
        let context = format!("{} {}", self.status, self.text());
        assert_eq!(self.status.as_u16(), status, "{context}");
        assert_eq!(self.header("content-type"), "application/json", "{context}");
        let body = self.json();
        assert_eq!(body["error"], code, "{context}");
        assert_eq!(body["requestId"], self.header("x-request-id"), "{context}");
        assert!(
            body["timestamp"]
                .as_str()
                .is_some_and(|timestamp| timestamp.ends_with('Z')),
            "{context}"
        );
        let message = body["message"].as_str().expect("a message");
        assert!((1..1000).contains(&message.len()), "{context}");
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {context}");
        }
    }
}

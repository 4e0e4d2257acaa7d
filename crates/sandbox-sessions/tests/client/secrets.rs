//! The token shows up nowhere but in the `Authorization` header; code and metadata show up in no log.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use sandbox_api_contract::MockServer;
use sandbox_sessions::{RetryPolicy, SessionsClient};
use serde_json::json;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{ID, Scripted, TOKEN, answer, client_for, command_result, id, session};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A second subscriber. Where there is one alone, whether a place in the code is of interest is decided for all by the
/// thread that comes there first, and those of other tests have no subscriber.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// Collects what this thread logs from now on, as long as the guard lives.
fn collect(log: &Log) -> DefaultGuard {
    LazyLock::force(&ANOTHER);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_default(subscriber)
}

#[tokio::test]
async fn a_retry_is_told_with_its_reason_and_nothing_that_was_sent() {
    let log = Log::default();
    let _guard = collect(&log);
    let body = json!({ "error": "UNAVAILABLE", "message": "server-text" }).to_string();
    let api = Scripted::answering(answer("503 Service Unavailable", "application/json", &body)).await;
    let policy = RetryPolicy::default()
        .max_attempts(2)
        .initial_backoff(Duration::ZERO);
    let client = SessionsClient::builder()
        .url(api.url())
        .token(TOKEN)
        .retries(policy)
        .build()
        .unwrap();
    let create = client
        .create_session()
        .idempotency_key("key-7")
        .metadata(json!({ "user": "metadata-of-alice" }));
    create.await.unwrap_err();
    client.get_session(&id()).await.unwrap_err();

    let text = log.text();
    let told: Vec<_> = text
        .lines()
        .filter(|line| line.contains("the request is sent again"))
        .collect();
    assert_eq!(told.len(), 2, "{text}");
    for expected in [
        "operation=\"create session\"",
        "attempt=1",
        "reason=operation failed",
        "status=503",
        "wait_ms=0",
    ] {
        assert!(
            told[0].contains(expected),
            "{expected:?} is missing from {}",
            told[0]
        );
    }
    assert!(told[1].contains(&format!("session={ID}")), "{}", told[1]);
    assert!(text.contains("attempts=2"), "{text}");
    for secret in [TOKEN, "metadata-of-alice", "server-text"] {
        assert!(!text.contains(secret), "{secret:?} is in:\n{text}");
    }
}

#[tokio::test]
async fn spans_carry_ids_and_nothing_else() {
    let log = Log::default();
    let _guard = collect(&log);

    let server = MockServer::start_async().await;
    server
        .mock_async(|when, then| {
            when.method("POST").path("/v1/sessions");
            then.status(200).json_body(session());
        })
        .await;
    server
        .mock_async(|when, then| {
            when.method("POST").path(format!("/v1/sessions/{ID}/code"));
            then.status(200).json_body(command_result());
        })
        .await;
    server
        .mock_async(|when, then| {
            when.method("DELETE");
            then.status(500).json_body(json!({
                "error": "INTERNAL_ERROR", "message": "server-text", "requestId": "req-99",
            }));
        })
        .await;
    let client = client_for(server.url("/v1"));
    let handle = client
        .create_session()
        .metadata(json!({ "user": "metadata-of-alice" }))
        .await
        .unwrap();
    handle.run_code("print('code-of-alice')").await.unwrap();
    handle.delete().await.unwrap_err();

    let text = log.text();
    for expected in [
        "create session",
        "run code",
        "delete session",
        ID,
        "req-99",
        "attempts=1",
        "status=500",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing from:\n{text}");
    }
    for secret in [TOKEN, "metadata-of-alice", "code-of-alice"] {
        assert!(!text.contains(secret), "{secret:?} is in:\n{text}");
    }
}

#[tokio::test]
async fn debug_and_display_show_no_token() {
    let api = Scripted::answering(answer("401 Unauthorized", "text/plain", "no")).await;
    let client = api.client();
    let builder = SessionsClient::builder().url(api.url()).token(TOKEN);
    let error = client.create_session().await.unwrap_err();
    let shown = [
        format!("{client:?}"),
        format!("{builder:?}"),
        format!("{:?}", client.create_session()),
        format!("{:?}", client.list_sessions()),
        format!("{:?}", client.run_code(&id(), "code-of-alice")),
        format!("{error} {error:?}"),
    ];
    for text in shown {
        assert!(!text.contains(TOKEN) && !text.contains("code-of-alice"), "{text}");
    }
}

#[tokio::test]
async fn a_session_shows_its_id_but_not_its_metadata() {
    let mut body = session();
    body["metadata"] = json!({ "user": "metadata-of-alice" });
    let api = Scripted::answering(answer("200 OK", "application/json", &body.to_string())).await;
    let handle = api.client().get_session(&id()).await.unwrap();
    assert_eq!(handle.to_string(), format!("session {ID} (running)"));
    let debug = format!("{handle:?}");
    assert!(
        debug.contains(ID) && !debug.contains("metadata-of-alice"),
        "{debug}"
    );
}

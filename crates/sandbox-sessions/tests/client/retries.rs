//! Requests that failed are sent again, and the right ones only, over real sockets. The decisions and the
//! delays in detail are tested with the policy itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_sessions::{Error, ErrorKind, FileContent, RetryPolicy, SessionsClient};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::{ID, Scripted, TOKEN, answer, command_result, id, read_request, session};

/// What happens to a request.
#[derive(Clone, Debug)]
enum Fate {
    /// It is read, and the connection is closed without an answer.
    Lost,
    Answered(String),
}
use Fate::{Answered, Lost};

/// A server that deals with its requests as planned, with all that come later as with the last one.
struct Planned {
    api: Scripted,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Planned {
    async fn new(fates: impl Into<VecDeque<Fate>>) -> Self {
        let plan = Arc::new(Mutex::new(fates.into()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let api = Scripted::start(move |mut stream| {
            let (plan, seen) = (plan.clone(), seen.clone());
            async move {
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push(request);
                let fate = {
                    let mut plan = plan.lock().unwrap();
                    let next = plan.pop_front().unwrap();
                    if plan.is_empty() {
                        plan.push_back(next.clone());
                    }
                    next
                };
                if let Answered(answer) = fate {
                    // Each request has a connection of its own, so that none meets one that is being closed.
                    let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                let _ = stream.shutdown().await;
            }
        })
        .await;
        Self { api, requests }
    }

    fn client(&self) -> SessionsClient {
        client(&self.api.url())
    }

    fn count(&self) -> u32 {
        self.requests.lock().unwrap().len().try_into().unwrap()
    }

    /// The idempotency key of each request.
    fn keys(&self) -> Vec<Option<String>> {
        let key = |request: &String| {
            let line = request
                .lines()
                .find(|line| line.to_ascii_lowercase().starts_with("idempotency-key:"))?;
            Some(line.split_once(": ").unwrap().1.to_owned())
        };
        self.requests.lock().unwrap().iter().map(key).collect()
    }
}

/// A client that does not keep tests waiting.
fn client(url: &str) -> SessionsClient {
    let policy = RetryPolicy::default()
        .max_attempts(3)
        .initial_backoff(Duration::from_millis(2));
    SessionsClient::builder()
        .url(url)
        .token(TOKEN)
        .retries(policy)
        .build()
        .unwrap()
}

fn refusal(status: &str, code: &str) -> Fate {
    let body = json!({ "error": code, "message": "because" }).to_string();
    Answered(answer(status, "application/json", &body))
}

fn success() -> Fate {
    Answered(answer("200 OK", "application/json", &session().to_string()))
}

/// A session, with the key sent back that the request came with.
fn success_with_key(key: &str) -> Fate {
    let Answered(answer) = success() else {
        unreachable!()
    };
    Answered(answer.replacen("\r\n", &format!("\r\nIdempotency-Key: {key}\r\n"), 1))
}

const OPERATIONS: [&str; 13] = [
    "health",
    "get",
    "list",
    "delete",
    "download",
    "create with key",
    "create",
    "code",
    "command",
    "pause",
    "resume",
    "upload",
    "upload of a stream",
];

async fn perform(client: &SessionsClient, operation: &str) -> Result<(), Error> {
    match operation {
        "health" => client.check_health().await.map(drop),
        "get" => client.get_session(&id()).await.map(drop),
        "list" => client.list_sessions().await.map(drop),
        "delete" => client.delete_session(&id()).await,
        "download" => client.download_file(&id(), "a.txt").await.map(drop),
        "create with key" => client
            .create_session()
            .idempotency_key("nightly-7")
            .await
            .map(drop),
        "create" => client.create_session().await.map(drop),
        "code" => client.run_code(&id(), "pass").await.map(drop),
        "command" => client.run_command(&id(), "true").await.map(drop),
        "pause" => client.pause_session(&id()).await.map(drop),
        "resume" => client.resume_session(&id()).await.map(drop),
        "upload" => client.upload_file(&id(), "a.txt", "text").await.map(drop),
        "upload of a stream" => {
            let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("text".into())]);
            let content = FileContent::stream(pieces);
            client.upload_file(&id(), "a.txt", content).await.map(drop)
        }
        other => panic!("no operation {other}"),
    }
}

#[tokio::test]
async fn each_operation_is_repeated_as_far_as_that_is_safe() {
    let repeatable = ["get", "list", "delete", "download", "create with key"];
    let once = ["health", "upload of a stream"];
    let limited = refusal("429 Too Many Requests", "RATE_LIMITED");
    for operation in OPERATIONS {
        for (fate, unprocessed) in [
            (Lost, false),
            (
                Answered(
                    "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nContent-Type: application/json\r\n\r\n{"
                        .to_owned(),
                ),
                false,
            ),
            (refusal("502 Bad Gateway", "BAD_GATEWAY"), false),
            (refusal("503 Service Unavailable", "UNAVAILABLE"), false),
            (refusal("504 Gateway Timeout", "TIMEOUT"), false),
            (limited.clone(), true),
        ] {
            if operation == "download" && matches!(&fate, Answered(text) if text.contains("200 OK")) {
                continue; // It is no file, and that is not a failure of the connection.
            }
            let api = Planned::new([fate.clone()]).await;
            let error = perform(&api.client(), operation).await.unwrap_err();
            let expected = if repeatable.contains(&operation) || (unprocessed && !once.contains(&operation)) {
                3
            } else {
                1
            };
            assert_eq!(
                (error.attempts(), api.count()),
                (expected, expected),
                "{operation}: {fate:?}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_operation_but_two_is_repeated_when_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let client = client(&url);
    for operation in OPERATIONS {
        let error = perform(&client, operation).await.unwrap_err();
        let expected = if ["health", "upload of a stream"].contains(&operation) {
            1
        } else {
            3
        };
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::Connection, expected),
            "{operation}"
        );
    }
}

#[tokio::test]
async fn refusals_that_last_are_not_repeated() {
    for (status, code) in [
        ("400 Bad Request", "INVALID_REQUEST"),
        ("401 Unauthorized", "UNAUTHORIZED"),
        ("404 Not Found", "SESSION_NOT_FOUND"),
        ("409 Conflict", "INVALID_STATE"),
        ("429 Too Many Requests", "SESSION_LIMIT_REACHED"),
        ("500 Internal Server Error", "INTERNAL_ERROR"),
    ] {
        let api = Planned::new([refusal(status, code)]).await;
        for operation in ["get", "create with key", "code"] {
            let error = perform(&api.client(), operation).await.unwrap_err();
            assert_eq!(error.attempts(), 1, "{operation}: {status}");
            assert!(!error.is_retryable(), "{operation}: {status}");
        }
    }
}

#[tokio::test]
async fn the_answer_of_a_later_attempt_is_the_result() {
    let api = Planned::new([Lost, refusal("503 Service Unavailable", "UNAVAILABLE"), success()]).await;
    let session = api.client().get_session(&id()).await.unwrap();
    assert_eq!(session.id(), id());
    assert_eq!(api.count(), 3);
}

#[tokio::test]
async fn the_last_error_tells_how_often_it_was_tried() {
    let api = Planned::new([refusal("503 Service Unavailable", "UNAVAILABLE")]).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "get session: because (UNAVAILABLE, HTTP 503, 3 attempts)"
    );
    assert!(format!("{error:?}").contains("attempts: 3"), "{error:?}");
}

#[tokio::test]
async fn values_that_are_refused_are_no_attempt() {
    let error = client("http://127.0.0.1:9/v1")
        .create_session()
        .ttl(Duration::ZERO)
        .await
        .unwrap_err();
    assert_eq!(error.attempts(), 0);
}

#[tokio::test]
async fn a_long_rate_limit_is_an_error_at_once() {
    let mut text = answer("429 Too Many Requests", "application/json", "{}");
    text = text.replacen("\r\n", "\r\nRetry-After: 3600\r\n", 1);
    let api = Planned::new([Answered(text)]).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::RateLimited, 1));
    let wait = error.rate_limit().unwrap().retry_after();
    assert_eq!(wait, Some(Duration::from_secs(3600)));
}

#[tokio::test]
async fn a_session_that_is_gone_after_a_lost_answer_was_deleted() {
    let gone = || refusal("404 Not Found", "SESSION_NOT_FOUND");
    for lost in [Lost, refusal("502 Bad Gateway", "BAD_GATEWAY")] {
        let api = Planned::new([lost, gone()]).await;
        api.client().delete_session(&id()).await.unwrap();
        assert_eq!(api.count(), 2);
    }
    // Only then: what was refused unseen has deleted nothing, and reading is not deleting.
    let api = Planned::new([refusal("429 Too Many Requests", "RATE_LIMITED"), gone()]).await;
    let error = api.client().delete_session(&id()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::SessionNotFound, 2));
    let api = Planned::new([Lost, gone()]).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::SessionNotFound, 2));
    // A wrong URL must not look like success.
    let api = Planned::new([
        Lost,
        Answered(answer("404 Not Found", "text/html", "<h1>Not here</h1>")),
    ])
    .await;
    assert_eq!(
        api.client().delete_session(&id()).await.unwrap_err().kind(),
        ErrorKind::Operation
    );
}

#[tokio::test]
async fn a_key_of_the_callers_goes_with_every_attempt() {
    let api = Planned::new([Lost, refusal("502 Bad Gateway", "BAD_GATEWAY"), success()]).await;
    api.client()
        .create_session()
        .idempotency_key("nightly-7")
        .await
        .unwrap();
    assert_eq!(api.keys(), vec![Some("nightly-7".to_owned()); 3]);
}

#[tokio::test]
async fn every_creation_has_a_key_of_its_own() {
    let api = Planned::new([success()]).await;
    let client = api.client();
    for _ in 0..3 {
        client.create_session().await.unwrap();
    }
    let mut keys = api.keys();
    assert!(keys.iter().flatten().all(|key| key.len() == 36), "{keys:?}");
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn a_key_that_the_api_may_not_know_is_not_relied_on() {
    // One that creates sessions and says nothing of the key, as older ones do.
    let api = Planned::new([success(), success_with_key("another"), Lost, success()]).await;
    let client = api.client();
    client.create_session().await.unwrap();
    client.create_session().await.unwrap();
    let error = client.create_session().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connection, 1));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_repeated_once_the_api_has_shown_that_it_knows_keys() {
    let api = Planned::new([success_with_key("nightly-7"), Lost, success()]).await;
    let client = api.client();
    client
        .create_session()
        .idempotency_key("nightly-7")
        .await
        .unwrap();
    // Clones share what was learned.
    client.clone().create_session().await.unwrap();
    let keys = api.keys();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[1], keys[2]);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_key_must_fit_into_a_header() {
    let client = client("http://127.0.0.1:9/v1");
    for (key, message) in [
        (String::new(), "idempotency key is empty"),
        (
            "two words".to_owned(),
            "idempotency key has a character at byte 3 that is not visible ASCII",
        ),
        (
            "line\r\nX-Other: 1".to_owned(),
            "idempotency key has a character at byte 4 that is not visible ASCII",
        ),
        (
            "k".repeat(256),
            "idempotency key is 256 characters long; it must be from 1 to 255",
        ),
    ] {
        let error = client.create_session().idempotency_key(key).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::InvalidArgument, message)
        );
    }
}

#[tokio::test]
async fn a_stream_is_uploaded_once() {
    let api = Planned::new([refusal("429 Too Many Requests", "RATE_LIMITED")]).await;
    let content = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"text"))]);
    let upload = api
        .client()
        .upload_file(&id(), "a.txt", FileContent::stream(content));
    assert_eq!(upload.await.unwrap_err().attempts(), 1);
}

#[tokio::test]
async fn code_is_not_run_twice_when_its_result_is_lost() {
    let result = Answered(answer(
        "200 OK",
        "application/json",
        &command_result().to_string(),
    ));
    let api = Planned::new([Lost, result.clone()]).await;
    let error = api.client().run_code(&id(), "print(1)").await.unwrap_err();
    assert_eq!((error.kind(), api.count()), (ErrorKind::Connection, 1));
    // What was refused unseen was not run.
    let api = Planned::new([refusal("429 Too Many Requests", "RATE_LIMITED"), result]).await;
    assert_eq!(
        api.client().run_code(&id(), "print(1)").await.unwrap().stdout(),
        "42\n"
    );
    assert!(
        api.requests
            .lock()
            .unwrap()
            .iter()
            .all(|request| request.contains(ID))
    );
}

#[tokio::test]
async fn the_total_time_ends_an_attempt() {
    let api = Scripted::stalling_after(b"").await;
    let client = SessionsClient::builder()
        .url(api.url())
        .token(TOKEN)
        .timeout(Duration::from_secs(600))
        .retries(RetryPolicy::default().total_time(Duration::from_millis(300)))
        .build()
        .unwrap();
    let error = client.get_session(&id()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 1));
}

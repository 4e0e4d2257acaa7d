//! Creating a session again with the key of the first time.

use std::sync::Arc;

use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::{Answer, TestServer, answer, config};
use crate::ssh::eventually;
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>, server: &Arc<TestServer>) -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),+ $(,)?) => {
            vec![$({
                let server = server.clone();
                trial(runtime, concat!("idempotency::", stringify!($test)), move || async move { $test(&server).await })
            }),+]
        };
    }
    let mut trials = trials![
        the_same_key_is_the_same_session,
        another_body_is_a_conflict,
        a_session_that_has_ended_stays_ended,
        keys_are_their_owners_own,
        creates_at_once_make_one,
        a_refused_create_can_be_mended,
        malformed_keys_are_refused,
    ];
    trials.push(trial(
        runtime,
        "idempotency::keys_outlive_a_server",
        keys_outlive_a_server,
    ));
    trials
}

/// A key that no other test uses.
fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

async fn create(server: &TestServer, key: &str, body: &str) -> Answer {
    let request = server
        .request(Method::POST, "/sessions")
        .header("idempotency-key", key)
        .header("content-type", "application/json");
    answer(request.body(body.to_owned())).await
}

fn path(session: &Value) -> String {
    format!("/sessions/{}", session["sessionId"].as_str().expect("an id"))
}

async fn the_same_key_is_the_same_session(server: &TestServer) {
    let key = key();
    let first = create(server, &key, r#"{"ttl": 3600, "metadata": {"a": 1, "b": 2}}"#).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.headers["idempotency-key"], key, "it is sent back");
    let session = first.json();
    let used = server
        .post(
            &format!("{}/commands", path(&session)),
            &json!({"command": "true"}),
        )
        .await;
    assert_eq!(used.status, 200);
    let again = create(server, &key, r#"{"metadata":{"b":2,"a":1},"image":null}"#).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(again.headers["idempotency-key"], key);
    assert_eq!(again.json()["sessionId"], session["sessionId"]);
    assert_eq!(again.json(), server.get(&path(&session)).await.json());
    assert!(again.json()["lastActivityAt"].is_string(), "{}", again.text());
    server.delete(&path(&session)).await;
}

async fn another_body_is_a_conflict(server: &TestServer) {
    let key = key();
    let session = create(server, &key, "{}").await.json();
    create(server, &key, r#"{"ttl": 60}"#).await.assert_error(
        409,
        "IDEMPOTENCY_KEY_REUSED",
        &["another body"],
    );
    server.delete(&path(&session)).await;
    create(server, &key, r#"{"ttl": 60}"#)
        .await
        .assert_error(409, "IDEMPOTENCY_KEY_REUSED", &[]);
}

async fn a_session_that_has_ended_stays_ended(server: &TestServer) {
    let key = key();
    let session = create(server, &key, "").await.json();
    server.delete(&path(&session)).await;
    let id = session["sessionId"].as_str().expect("an id");
    create(server, &key, "{}")
        .await
        .assert_error(409, "SESSION_ENDED", &[id, "has ended"]);
}

async fn keys_are_their_owners_own(server: &TestServer) {
    let key = key();
    let alices = create(server, &key, "{}").await.json();
    let bobs = server
        .as_bob(Method::POST, "/sessions")
        .header("idempotency-key", &key);
    let bobs = answer(bobs).await.json();
    assert_ne!(alices["sessionId"], bobs["sessionId"]);
    server.delete(&path(&alices)).await;
    let deleted = answer(server.as_bob(Method::DELETE, &path(&bobs))).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
}

async fn creates_at_once_make_one(server: &TestServer) {
    let key = key();
    let answers = futures_util::future::join_all((0..8).map(|_| create(server, &key, "{}"))).await;
    let sessions: Vec<Value> = answers.iter().map(Answer::json).collect();
    assert!(
        sessions
            .iter()
            .all(|session| session["sessionId"] == sessions[0]["sessionId"]),
        "{sessions:?}"
    );
    server.delete(&path(&sessions[0])).await;
}

async fn a_refused_create_can_be_mended(server: &TestServer) {
    let key = key();
    create(server, &key, r#"{"image": "none"}"#)
        .await
        .assert_error(400, "IMAGE_NOT_FOUND", &[]);
    let session = create(server, &key, "{}").await;
    assert_eq!(session.status, 200, "{}", session.text());
    server.delete(&path(&session.json())).await;
}

async fn malformed_keys_are_refused(server: &TestServer) {
    for key in [&b""[..], b"a b", b"\xfc", "\u{fc}".as_bytes(), &[b'k'; 256]] {
        let request = server
            .request(Method::POST, "/sessions")
            .header("idempotency-key", key);
        answer(request)
            .await
            .assert_error(400, "INVALID_PARAMETER", &["Idempotency-Key"]);
    }
    let twice = server
        .request(Method::POST, "/sessions")
        .header("idempotency-key", "a")
        .header("idempotency-key", "a");
    answer(twice)
        .await
        .assert_error(400, "INVALID_PARAMETER", &["Idempotency-Key", "more than once"]);
    let longest = create(server, &key().repeat(8)[..255], "{}").await;
    assert_eq!(longest.status, 200, "{}", longest.text());
    server.delete(&path(&longest.json())).await;
}

async fn keys_outlive_a_server() {
    let state = tempfile::tempdir().expect("a directory");
    let server = serve(state).await;
    let key = key();
    let session = create(&server, &key, "{}").await.json();
    let server = serve(server.stop().await).await;
    assert_eq!(create(&server, &key, "{}").await.json(), session);
    let server = serve(server.abandon()).await;
    assert_eq!(create(&server, &key, "{}").await.json(), session);
    create(&server, &key, r#"{"ttl": 60}"#)
        .await
        .assert_error(409, "IDEMPOTENCY_KEY_REUSED", &[]);
    server.delete(&path(&session)).await;
    create(&server, &key, "{}")
        .await
        .assert_error(409, "SESSION_ENDED", &[]);
    server.stop().await;
}

/// A server on what another one may have left, whose last tasks may still be on their way out.
async fn serve(state: TempDir) -> TestServer {
    eventually("the directory is free", || async {
        let lock = std::fs::File::options()
            .read(true)
            .open(state.path().join("lock"));
        lock.is_err() || lock.is_ok_and(|lock| lock.try_lock().is_ok())
    })
    .await;
    let server = TestServer::start_with(config(state.path()), state).await;
    server.expect("a server")
}

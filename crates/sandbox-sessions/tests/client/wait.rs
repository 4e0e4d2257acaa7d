//! Waiting for a session's state.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use httpmock::HttpMockResponse;
use sandbox_api_contract::MockServer;
use sandbox_sessions::{ErrorKind, Session, SessionStatus};
use serde_json::json;

use crate::support::{client_for, id, session};

/// A session that runs from the third question on.
async fn resuming() -> (MockServer, Session, Arc<AtomicUsize>) {
    let server = MockServer::start_async().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    server
        .mock_async(|when, then| {
            when.method("GET");
            then.respond_with(move |_: &httpmock::HttpMockRequest| {
                let mut session = session();
                if counter.fetch_add(1, Ordering::SeqCst) < 3 {
                    session["status"] = json!("paused");
                }
                HttpMockResponse::builder()
                    .status(200)
                    .header("content-type", "application/json")
                    .body(session.to_string())
                    .build()
            });
        })
        .await;
    let session = client_for(server.url("/v1")).get_session(&id()).await.unwrap();
    (server, session, asked)
}

#[tokio::test]
async fn waits_until_it_is_so_and_keeps_the_state() {
    let (_server, mut session, asked) = resuming().await;
    session.wait_until_running().await.unwrap();
    assert_eq!(*session.status(), SessionStatus::Running);
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_wait_that_is_over_says_what_the_session_is() {
    let (_server, mut session, asked) = resuming().await;
    let error = session
        .wait_until(|session| session.image() == Some("never"))
        .interval(Duration::from_millis(60))
        .timeout(Duration::from_millis(300))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.message().ends_with("the session is running")
            || error.message().ends_with("the session is paused")
    );
    let asked = asked.load(Ordering::SeqCst);
    assert!((2..=7).contains(&asked), "{asked} questions");
}

#[tokio::test]
async fn no_time_is_still_one_question() {
    let (_server, mut session, asked) = resuming().await;
    let error = session
        .wait_until_running()
        .timeout(Duration::ZERO)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "wait for session: what was waited for did not become true within 0ns; the session is paused"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_session_that_ends_ends_the_wait() {
    let server = MockServer::start_async().await;
    let there = server
        .mock_async(|when, then| {
            when.method("GET");
            then.status(200).json_body(session());
        })
        .await;
    let mut handle = client_for(server.url("/v1")).get_session(&id()).await.unwrap();
    there.delete_async().await;
    server
        .mock_async(|when, then| {
            when.method("GET");
            then.status(404)
                .json_body(json!({ "error": "SESSION_NOT_FOUND", "message": "gone" }));
        })
        .await;
    let error = handle.wait_until(|_| false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionNotFound);
}

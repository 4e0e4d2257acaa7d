//! Settings of the client.

use std::time::Duration;

use sandbox_api_contract::MockServer;
use sandbox_sessions::{ErrorKind, RetryPolicy, Session, SessionPage, SessionsClient};

use crate::support::{TOKEN, id, session};

#[test]
fn clients_and_handles_can_be_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<SessionsClient>();
    shared::<Session>();
    shared::<SessionPage>();
    fn sent<T: Send + Sync + 'static>() {}
    sent::<sandbox_sessions::Error>();
}

#[test]
fn results_stay_small() {
    assert_eq!(size_of::<sandbox_sessions::Error>(), size_of::<usize>());
}

#[tokio::test]
async fn requests_can_be_sent_from_other_tasks() {
    let client = SessionsClient::new("http://127.0.0.1:9/v1", TOKEN).unwrap();
    let task = tokio::spawn(async move { client.get_session(&id()).await.map(drop) });
    assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::Connection);
}

#[test]
fn refuses_unusable_settings() {
    let builder = || {
        SessionsClient::builder()
            .url("http://localhost:8080/v1")
            .token(TOKEN)
    };
    let own = || reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    for (builder, message) in [
        (SessionsClient::builder().token(TOKEN), "API URL is empty"),
        (
            SessionsClient::builder().url("http://localhost"),
            "token is empty",
        ),
        (
            builder().token("two words"),
            "token cannot be used as a bearer token",
        ),
        (builder().timeout(Duration::ZERO), "timeout is zero"),
        (
            builder().retries(RetryPolicy::default().max_attempts(0)),
            "retries allow no attempt at all",
        ),
        (
            builder().retries(RetryPolicy::none().total_time(Duration::ZERO)),
            "retries have a total time of zero",
        ),
        (
            builder().root_certificates_pem("not a certificate"),
            "root certificates hold no PEM certificate",
        ),
        (
            builder().user_agent("a\nb"),
            "the HTTP client cannot be made with these settings",
        ),
        (
            builder().http_client(own()).user_agent("grader/1"),
            "http_client excludes the user agent and certificate settings; make them on the HTTP client itself",
        ),
        (
            builder().http_client(own()).danger_accept_invalid_certs(true),
            "http_client excludes the user agent and certificate settings; make them on the HTTP client itself",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(error.to_string(), message);
        assert!(!format!("{error:?}").contains(TOKEN));
    }
}

#[tokio::test]
async fn the_user_agent_names_this_crate_or_the_program() {
    let server = MockServer::start_async().await;
    let this_crate = server
        .mock_async(|when, then| {
            when.header_prefix("user-agent", "sandbox-sessions/");
            then.status(200).json_body(session());
        })
        .await;
    let program = server
        .mock_async(|when, then| {
            when.header("user-agent", "grader/2.1");
            then.status(200).json_body(session());
        })
        .await;
    let builder = || SessionsClient::builder().url(server.url("/v1")).token(TOKEN);
    builder().build().unwrap().get_session(&id()).await.unwrap();
    this_crate.assert_async().await;
    builder()
        .user_agent("grader/2.1")
        .build()
        .unwrap()
        .get_session(&id())
        .await
        .unwrap();
    program.assert_async().await;
}

#[tokio::test]
async fn an_own_http_client_is_used() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.header("x-team", "graders");
            then.status(200).json_body(session());
        })
        .await;
    let headers = [("x-team".parse().unwrap(), "graders".parse().unwrap())]
        .into_iter()
        .collect();
    let own = reqwest::Client::builder()
        .tls_certs_only([])
        .default_headers(headers)
        .build()
        .unwrap();
    let client = SessionsClient::builder()
        .url(server.url("/v1"))
        .token(TOKEN)
        .http_client(own)
        .build()
        .unwrap();
    client.get_session(&id()).await.unwrap();
    mock.assert_async().await;
}

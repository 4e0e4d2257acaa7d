//! Refusals by the API become errors of the right kind that keep what the API said.

use std::error::Error as _;
use std::time::Duration;

use sandbox_api_contract::MockServer;
use sandbox_api_mock::{MockServerExt, values};
use sandbox_sessions::ErrorKind;
use serde_json::json;

use crate::support::{ID, Scripted, answer, client_for, id};

#[tokio::test]
async fn statuses_and_codes_decide_the_kind() {
    for (status, code, kind, retryable) in [
        ("400 Bad Request", "INVALID_TTL", ErrorKind::Operation, false),
        ("401 Unauthorized", "UNAUTHORIZED", ErrorKind::Unauthorized, false),
        ("403 Forbidden", "FORBIDDEN", ErrorKind::Operation, false),
        (
            "404 Not Found",
            "SESSION_NOT_FOUND",
            ErrorKind::SessionNotFound,
            false,
        ),
        ("404 Not Found", "NOT_FOUND", ErrorKind::Operation, false),
        ("404 Not Found", "FILE_NOT_FOUND", ErrorKind::Operation, false),
        ("408 Request Timeout", "TIMEOUT", ErrorKind::Operation, true),
        ("409 Conflict", "INVALID_STATE", ErrorKind::Operation, false),
        (
            "413 Payload Too Large",
            "PAYLOAD_TOO_LARGE",
            ErrorKind::Operation,
            false,
        ),
        (
            "429 Too Many Requests",
            "RATE_LIMITED",
            ErrorKind::RateLimited,
            true,
        ),
        (
            "500 Internal Server Error",
            "INTERNAL_ERROR",
            ErrorKind::Operation,
            false,
        ),
        ("501 Not Implemented", "UNSUPPORTED", ErrorKind::Operation, false),
        ("502 Bad Gateway", "BAD_GATEWAY", ErrorKind::Operation, true),
        (
            "503 Service Unavailable",
            "UNAVAILABLE",
            ErrorKind::Operation,
            true,
        ),
        (
            "504 Gateway Timeout",
            "GATEWAY_TIMEOUT",
            ErrorKind::Operation,
            true,
        ),
        ("418 I'm a Teapot", "SHORT_AND_STOUT", ErrorKind::Operation, false),
    ] {
        let body = json!({ "error": code, "message": "because" }).to_string();
        let api = Scripted::answering(answer(status, "application/json", &body)).await;
        let error = api.client().get_session(&id()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {code}");
        assert_eq!(error.error_code(), Some(code));
        assert_eq!(error.message(), "because");
        assert_eq!(error.status_code(), status[..3].parse().ok());
        assert_eq!(error.is_retryable(), retryable, "{status} {code}");
        assert!(error.details().is_empty());
    }
}

#[tokio::test]
async fn an_error_keeps_everything_the_api_said() {
    let server = MockServer::start_async().await;
    server
        .mock_async(|when, then| {
            when.method("POST").path("/v1/sessions");
            then.status(400)
                .header("x-request-id", "from-header")
                .json_body(json!({
                    "error": "INVALID_TTL",
                    "message": "ttl: 30 is outside 60..=28800",
                    "details": { "min": 60, "max": 28800 },
                    "timestamp": "2026-01-01T12:00:00Z",
                    "requestId": "req-17",
                    "hint": "a field of the future",
                }));
        })
        .await;
    let error = client_for(server.url("/v1")).create_session().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert_eq!(error.details()["max"], 28800);
    assert_eq!(error.request_id(), Some("req-17"));
    assert_eq!(
        error.to_string(),
        "create session: ttl: 30 is outside 60..=28800 (INVALID_TTL, HTTP 400, request req-17)"
    );
    assert!(error.source().is_none());
}

#[tokio::test]
async fn the_request_id_may_come_in_a_header_alone() {
    let server = MockServer::start_async().await;
    server.list_sessions(|_, then| {
        then.internal_server_error(&values::error("INTERNAL_ERROR", "failed"))
            .x_request_id("from-header");
    });
    let error = client_for(server.url("/v1")).list_sessions().await.unwrap_err();
    assert_eq!(error.request_id(), Some("from-header"));
    assert!(error.details().is_empty());
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back() {
    let server = MockServer::start_async().await;
    server.delete_session(|_, then| {
        then.too_many_requests(&values::error("RATE_LIMITED", "too many requests"))
            .x_rate_limit_limit(600)
            .x_rate_limit_remaining(0)
            .x_rate_limit_reset(1_767_225_600)
            .retry_after(12);
    });
    let error = client_for(server.url("/v1"))
        .delete_session(&id())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    let limit = error.rate_limit().unwrap();
    assert_eq!(limit.limit(), Some(600));
    assert_eq!(limit.remaining(), Some(0));
    assert_eq!(limit.reset().unwrap().timestamp(), 1_767_225_600);
    assert_eq!(limit.retry_after(), Some(Duration::from_secs(12)));
}

#[tokio::test]
async fn answers_that_are_not_the_apis_keep_their_status_and_a_snippet() {
    let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
    for (status, content_type, body, kind) in [
        ("502 Bad Gateway", "text/html", page, ErrorKind::Operation),
        (
            "503 Service Unavailable",
            "text/plain",
            "try later",
            ErrorKind::Operation,
        ),
        (
            "500 Internal Server Error",
            "application/json",
            r#"{"oops":true}"#,
            ErrorKind::Operation,
        ),
        (
            "500 Internal Server Error",
            "application/json",
            r#"["a list"]"#,
            ErrorKind::Operation,
        ),
        (
            "401 Unauthorized",
            "text/html",
            "<h1>Log in</h1>",
            ErrorKind::Unauthorized,
        ),
        (
            "429 Too Many Requests",
            "text/plain",
            "slow down",
            ErrorKind::RateLimited,
        ),
        // A wrong base URL must not look like a session that is gone.
        (
            "404 Not Found",
            "text/html",
            "<h1>Not here</h1>",
            ErrorKind::Operation,
        ),
    ] {
        let api = Scripted::answering(answer(status, content_type, body)).await;
        let error = api.client().get_session(&id()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.status_code(), status[..3].parse().ok());
        assert_eq!(error.details()["body"], body, "{status}");
        assert_eq!(
            error.error_code(),
            Some(format!("HTTP_{}", &status[..3]).as_str())
        );
        assert!(error.message().contains(&status[..3]), "{error}");
    }
}

#[tokio::test]
async fn an_error_without_a_body_is_still_typed() {
    let api = Scripted::answering(answer("503 Service Unavailable", "text/plain", "")).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status_code()),
        (ErrorKind::Operation, Some(503))
    );
    assert!(error.details().is_empty());
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_redirect_is_an_error_that_says_where_to() {
    let redirect = "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://elsewhere.example/v1\r\n\
                    Content-Length: 0\r\n\r\n";
    let api = Scripted::answering(redirect).await;
    let error = api.client().create_session().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status_code()),
        (ErrorKind::Operation, Some(308))
    );
    assert!(
        error.message().contains("https://elsewhere.example/v1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_success_that_is_not_what_was_promised_is_a_decode_error() {
    let mut wrong_id = crate::support::session();
    wrong_id["sessionId"] = json!("not-a-uuid");
    for (content_type, body) in [
        ("text/html", "<html>log in first</html>".to_owned()),
        ("application/json", r#"{"sessionId":17}"#.to_owned()),
        ("application/json", wrong_id.to_string()),
        ("application/json", "[]".to_owned()),
        ("application/json", r#"{"sessionId":"#.to_owned()),
    ] {
        let api = Scripted::answering(answer("200 OK", content_type, &body)).await;
        let error = api.client().get_session(&id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert_eq!(error.status_code(), Some(200));
        assert!(
            body.starts_with(error.details()["body"].as_str().unwrap()),
            "{body}"
        );
        assert!(error.source().is_some());
        assert!(!error.is_retryable());
    }
}

/// What a proxy or a broken server sends, and every one of them says which request it was.
#[tokio::test]
async fn answers_that_cannot_be_read_keep_status_request_id_and_a_snippet() {
    let contract = "the answer is not what the API's contract promises";
    let html = "the answer is of the type text/html; charset=utf-8 and not what the API's contract promises";
    let head = "X-Request-Id: req-17\r\nContent-Type:";
    for (answer, kind, message, snippet) in [
        (
            format!(
                "HTTP/1.1 200 OK\r\n{head} application/json\r\nContent-Length: 16\r\n\r\n{{\"sessionId\": 1}}"
            ),
            ErrorKind::Decode,
            contract,
            "{\"sessionId\": 1}",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{head} text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>"),
            ErrorKind::Decode,
            html,
            "<html>",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{head} application/json\r\nContent-Length: 500\r\n\r\n  {{\"sess"),
            ErrorKind::Connection,
            "the connection was lost during the answer",
            "{\"sess",
        ),
        (
            format!("HTTP/1.1 502 Bad Gateway\r\n{head} text/html\r\nContent-Length: 6\r\n\r\n<html>"),
            ErrorKind::Operation,
            "502 Bad Gateway, without the body of an API error",
            "<html>",
        ),
    ] {
        let api = Scripted::answering(answer.clone()).await;
        let error = api.client().get_session(&id()).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message), "{answer}");
        assert_eq!(error.status_code(), answer[9..12].parse().ok(), "{answer}");
        assert_eq!(error.request_id(), Some("req-17"), "{answer}");
        assert_eq!(error.details()["body"], snippet, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_keeps_what_had_arrived() {
    let beginning = b"HTTP/1.1 200 OK\r\nX-Request-Id: req-17\r\nContent-Length: 500\r\n\r\n{\"sess";
    let api = Scripted::stalling_after(beginning).await;
    let error = api.impatient_client().get_session(&id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status_code()),
        (ErrorKind::Timeout, Some(200))
    );
    assert_eq!(error.request_id(), Some("req-17"));
    assert_eq!(error.details()["body"], "{\"sess");
}

#[tokio::test]
async fn snippets_and_messages_are_bounded_and_printable() {
    let body = format!("\x1b[31mred\x1b[0m {}", "x".repeat(100_000));
    let api = Scripted::answering(answer("502 Bad Gateway", "text/plain", &body)).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    let snippet = error.details()["body"].as_str().unwrap();
    assert!(snippet.chars().count() <= 256, "{}", snippet.len());
    assert!(!snippet.contains('\x1b'));

    let message = format!("\x1b[2J\n{}", "y".repeat(100_000));
    let body = json!({ "error": "INTERNAL_ERROR", "message": message }).to_string();
    let api = Scripted::answering(answer("500 Internal Server Error", "application/json", &body)).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.len() < 4096, "{}", shown.len());
    assert!(!shown.contains(char::is_control), "{shown:?}");

    let body = json!({ "sessionId": "z".repeat(100_000) }).to_string();
    let api = Scripted::answering(answer("200 OK", "application/json", &body)).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    let shown = format!("{error} {:?}", error);
    assert!(shown.len() < 4096, "{}", shown.len());
}

#[tokio::test]
async fn a_missing_session_is_named() {
    let body = json!({ "error": "SESSION_NOT_FOUND", "message": format!("there is no session {ID}") });
    let api = Scripted::answering(answer("404 Not Found", "application/json", &body.to_string())).await;
    let client = api.client();
    let lookups = [
        client.get_session(&id()).await.map(drop).unwrap_err(),
        client.delete_session(&id()).await.unwrap_err(),
        client.run_code(&id(), "pass").await.map(drop).unwrap_err(),
    ];
    for error in lookups {
        assert_eq!(error.kind(), ErrorKind::SessionNotFound);
        assert!(error.to_string().contains(ID), "{error}");
    }
}

//! Broken networks and hostile servers end in typed errors, never in a panic or a hang.

use std::error::Error as _;

use sandbox_sessions::{Error, ErrorKind};
use tokio::net::TcpListener;

use crate::support::{Scripted, client_for, id};

/// Every message along the chain of causes.
fn chain(error: &Error) -> Vec<String> {
    std::iter::successors(Some(error as &dyn std::error::Error), |&error| error.source())
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn nobody_listening_is_a_connection_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = client_for(url).create_session().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(error.status_code(), None);
    assert!(error.is_retryable());
    let chain = chain(&error);
    assert!(chain.len() > 1, "the cause is kept: {chain:?}");
    for (outer, inner) in chain.iter().zip(chain.iter().skip(1)) {
        assert!(
            !outer.contains(inner.as_str()),
            "a cause is printed twice: {chain:?}"
        );
    }
}

#[tokio::test]
async fn connections_that_break_before_or_inside_an_answer_are_connection_errors() {
    for (script, status) in [
        ("", None),
        ("HTTP/1.1 200 OK\r\nContent-Le", None),
        ("this is not HTTP\r\n\r\n", None),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"sess",
            Some(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ses\r\n",
            Some(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
            Some(200),
        ),
    ] {
        let api = Scripted::answering(script).await;
        let error = api.client().get_session(&id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection, "{script:?}: {error:?}");
        assert_eq!(error.status_code(), status, "{script:?}");
        assert!(error.source().is_some());
    }
}

#[tokio::test]
async fn an_error_that_breaks_off_keeps_its_status() {
    let api = Scripted::answering("HTTP/1.1 500 Oops\r\nContent-Length: 500\r\n\r\n{\"error\"").await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status_code()),
        (ErrorKind::Operation, Some(500))
    );
    assert_eq!(error.details()["body"], "{\"error\"");
}

#[tokio::test]
async fn silence_is_a_timeout_wherever_it_sets_in() {
    for script in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 500\r\n\r\n<html>",
    ] {
        let api = Scripted::stalling_after(script).await;
        let error = api.impatient_client().get_session(&id()).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Timeout,
            "{}",
            String::from_utf8_lossy(script)
        );
        assert!(error.is_retryable());
        assert_eq!(error.message(), "no complete answer within 200ms");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let api = Scripted::flooding().await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
    assert!(error.message().contains("larger than"), "{error}");
}

#[tokio::test]
async fn json_nested_without_end_is_a_decode_error() {
    let body = "[".repeat(1_000_000);
    let api = Scripted::answering(crate::support::answer("200 OK", "application/json", &body)).await;
    let error = api.client().list_sessions().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

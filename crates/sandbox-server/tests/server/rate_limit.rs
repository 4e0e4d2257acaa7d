//! How often a token may ask, and how it is told.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;
use reqwest::{Method, RequestBuilder};
use sandbox_server::Lifetime;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::client::{ALICE, Answer, MAX_UPLOAD, TestServer, answer, config};
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>, server: &Arc<TestServer>) -> Vec<Trial> {
    let server = server.clone();
    vec![
        trial(
            runtime,
            "rate_limit::every_answer_tells_where_its_token_stands",
            || async move { every_answer_tells_where_its_token_stands(&server).await },
        ),
        trial(
            runtime,
            "rate_limit::who_asks_too_often_is_refused",
            who_asks_too_often_is_refused,
        ),
    ]
}

const HEADERS: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// The limit, what remains of it, and the second in which all of it is there again.
#[track_caller]
fn standing(answer: &Answer) -> [u64; 3] {
    HEADERS.map(|name| {
        let value = answer.header(name);
        let is_bare = value.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_bare && !value.is_empty(), "{name}: {value:?} of {answer:?}");
        value.parse().expect("an integer")
    })
}

#[track_caller]
fn assert_nothing_told(answer: &Answer) {
    for name in HEADERS {
        assert_eq!(answer.header(name), "", "{name} of {answer:?}");
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_secs()
}

async fn every_answer_tells_where_its_token_stands(server: &TestServer) {
    let session = server.session().await;
    let request = |method: Method, path: &str| server.request(method, path);
    let of = |method: Method, path: &str| server.request(method, &format!("{session}{path}"));
    let octets = |request: RequestBuilder, body: Vec<u8>| {
        request
            .header("content-type", "application/octet-stream")
            .body(body)
    };
    let typed = |request: RequestBuilder, body: &str| {
        request
            .header("content-type", "application/json")
            .body(body.to_owned())
    };
    let keyed = |body| {
        let request = request(Method::POST, "/sessions").header("idempotency-key", session.clone());
        request.json(&body)
    };
    let post = || request(Method::POST, "/sessions");
    let commands = || of(Method::POST, "/commands");
    let put = |query: &str| of(Method::POST, &format!("/files?{query}"));
    let cases = [
        (200, keyed(json!({}))),
        (200, keyed(json!({}))),
        (409, keyed(json!({"ttl": 60}))),
        (400, post().header("idempotency-key", "a b")),
        (400, typed(post(), "{")),
        (400, post().json(&json!({"ttl": 1}))),
        (413, typed(post(), &" ".repeat(9 << 20))),
        (415, post().header("content-type", "text/plain").body("x")),
        (200, request(Method::GET, "/sessions")),
        (400, request(Method::GET, "/sessions?limit=0")),
        (200, of(Method::GET, "")),
        (404, request(Method::GET, "/sessions/none")),
        (200, of(Method::POST, "/code").json(&json!({"code": "1"}))),
        (400, typed(of(Method::POST, "/code"), "[")),
        (200, commands().json(&json!({"command": "true"}))),
        (400, commands().json(&json!({"command": ""}))),
        (201, octets(put("path=a"), b"x".to_vec())),
        (409, octets(put("path=a"), b"x".to_vec())),
        (413, octets(put("path=b"), vec![0; MAX_UPLOAD + 1])),
        (400, octets(put(""), Vec::new())),
        (415, put("path=b").body("x")),
        (200, of(Method::GET, "/files?filePath=a")),
        (404, of(Method::GET, "/files?filePath=none")),
        (400, of(Method::GET, "/files")),
        (404, request(Method::GET, "/nothing")),
        (404, request(Method::GET, "")),
        (405, request(Method::PUT, "/sessions")),
        (405, of(Method::DELETE, "/code")),
        (200, request(Method::HEAD, "/sessions")),
        (200, of(Method::DELETE, "")),
        (404, of(Method::DELETE, "")),
        (404, of(Method::POST, "/pause")),
        (404, of(Method::POST, "/resume")),
    ];
    for (status, request) in cases {
        let told = answer(request).await;
        assert_eq!(told.status, status, "{}", told.text());
        let [limit, remaining, reset] = standing(&told);
        assert_eq!(limit, 6000);
        assert!(remaining < limit, "{remaining}");
        assert!((now()..=now() + 61).contains(&reset), "{reset}");
    }
    for request in [
        server.anonymous(Method::GET, "/sessions"),
        server.anonymous(Method::GET, "/sessions").bearer_auth("wrong"),
        server.anonymous(Method::GET, "/nothing"),
        server.anonymous(Method::PUT, "/sessions"),
        server.anonymous(Method::GET, "/health"),
        server.request(Method::GET, "/health"),
    ] {
        assert_nothing_told(&answer(request).await);
    }
}

async fn who_asks_too_often_is_refused() {
    let state = tempfile::tempdir().expect("a directory");
    let limit = NonZeroU32::new(3).expect("a number");
    let config = config(state.path())
        .lifetime(Lifetime::Ephemeral)
        .rate_limit(limit);
    let server = TestServer::start_with(config, state).await.expect("a server");
    let list = || server.request(Method::GET, "/sessions");
    for remaining in [2, 1] {
        assert_eq!(standing(&answer(list()).await)[..2], [3, remaining]);
    }
    // Whatever it is that a token asks for, it counts.
    assert_eq!(standing(&server.get("/nothing").await)[1], 0);

    let refused = answer(list()).await;
    refused.assert_error(429, "RATE_LIMITED", &["too many requests"]);
    let [_, remaining, reset] = standing(&refused);
    assert_eq!(remaining, 0);
    assert!(reset > now(), "{reset}");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    let of_session = |method, path: &str| {
        (
            method,
            format!("/sessions/00000000-0000-4000-8000-000000000000{path}"),
        )
    };
    for (method, path) in [
        (Method::POST, "/sessions".to_owned()),
        of_session(Method::GET, ""),
        of_session(Method::DELETE, ""),
        of_session(Method::POST, "/pause"),
        of_session(Method::POST, "/resume"),
        of_session(Method::POST, "/commands"),
        of_session(Method::POST, "/code"),
        of_session(Method::POST, "/files?path=a"),
        of_session(Method::GET, "/files?filePath=a"),
    ] {
        answer(server.request(method, &path))
            .await
            .assert_error(429, "RATE_LIMITED", &[]);
    }
    assert!(connect(&server).await.starts_with("HTTP/1.1 429 "));

    // Nobody else is held back by it, and neither are health checks.
    let bobs = answer(server.as_bob(Method::GET, "/sessions")).await;
    assert_eq!((bobs.status.as_u16(), standing(&bobs)[1]), (200, 2));
    assert_eq!(server.get("/health").await.status, 200);
    for _ in 0..10 {
        let wrong = server.anonymous(Method::GET, "/sessions").bearer_auth("wrong");
        answer(wrong).await.assert_error(401, "UNAUTHORIZED", &[]);
    }
    server.stop().await;
}

/// What is said to a `CONNECT` that the server closes the connection after.
async fn connect(server: &TestServer) -> String {
    let mut stream = TcpStream::connect(server.authority())
        .await
        .expect("a connection");
    let head = format!("CONNECT /v1/sessions/x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("a request");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("an answer");
    said
}

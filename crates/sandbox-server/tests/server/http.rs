//! Requests the server refuses, and what it says about them.

use std::sync::Arc;

use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::client::{Answer, TestServer, answer};
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>, server: &Arc<TestServer>) -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),+ $(,)?) => {
            vec![$({
                let server = server.clone();
                trial(runtime, concat!("http::", stringify!($test)), move || async move { $test(&server).await })
            }),+]
        };
    }
    trials![
        health_needs_no_token,
        a_token_is_required,
        unknown_routes_and_wrong_methods_are_told,
        ids_that_are_none_name_no_session,
        bad_sessions_are_refused,
        bad_pages_are_refused,
        bad_code_is_refused,
        bad_commands_are_refused,
        bodies_must_be_json,
        bodies_must_be_small,
        hostile_nesting_is_only_an_error,
        garbage_is_not_http,
    ]
}

/// No path of a session that exists; requests that are refused for their bodies never get to look.
const NOBODY: &str = "/sessions/00000000-0000-4000-8000-000000000000";

async fn raw(server: &TestServer, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = server
        .request(Method::POST, path)
        .header("content-type", "application/json");
    answer(request.body(body.into())).await
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

async fn health_needs_no_token(server: &TestServer) {
    let health = answer(server.anonymous(Method::GET, "/health")).await;
    assert_eq!(
        (health.status.as_u16(), health.json()),
        (200, json!({"status": "healthy"}))
    );
    assert!(!health.header("x-request-id").is_empty());
    let url = format!("http://{}/health", server.authority());
    let health = reqwest::get(url).await.expect("an answer");
    assert_eq!(
        health.json::<Value>().await.expect("JSON"),
        json!({"status": "healthy"})
    );
    let head = answer(server.anonymous(Method::HEAD, "/health")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

async fn a_token_is_required(server: &TestServer) {
    let routes = [
        (Method::POST, "/sessions".to_owned()),
        (Method::GET, "/sessions".to_owned()),
        (Method::GET, NOBODY.to_owned()),
        (Method::DELETE, NOBODY.to_owned()),
        (Method::POST, format!("{NOBODY}/pause")),
        (Method::POST, format!("{NOBODY}/resume")),
        (Method::POST, format!("{NOBODY}/code")),
        (Method::POST, format!("{NOBODY}/commands")),
        (Method::POST, format!("{NOBODY}/files?path=a")),
        (Method::GET, format!("{NOBODY}/files?filePath=a")),
    ];
    for (method, path) in routes {
        let nobody = answer(server.anonymous(method.clone(), &path)).await;
        nobody.assert_error(401, "UNAUTHORIZED", &["bearer token"]);
        assert_eq!(nobody.header("www-authenticate"), "Bearer realm=\"sandbox\"");
        for token in [
            "Bearer wrong",
            "Bearer ",
            "Basic YTpi",
            "alice-0123456789abcdef",
            "Bearer \u{fc}",
        ] {
            let wrong = server
                .anonymous(method.clone(), &path)
                .header("authorization", token.as_bytes());
            answer(wrong).await.assert_error(401, "UNAUTHORIZED", &[]);
        }
    }
}

async fn unknown_routes_and_wrong_methods_are_told(server: &TestServer) {
    for path in [
        "",
        "/",
        "/nothing",
        "/sessions/",
        "/sessions/a/b/c",
        "/%ff%00",
        "/../etc/passwd",
    ] {
        server
            .get(path)
            .await
            .assert_error(404, "NOT_FOUND", &["there is nothing at"]);
    }
    let cases = [
        (Method::PUT, "/sessions".to_owned(), "GET,HEAD,POST"),
        (Method::OPTIONS, "/sessions".to_owned(), "GET,HEAD,POST"),
        (Method::POST, NOBODY.to_owned(), "DELETE,GET,HEAD"),
        (Method::GET, format!("{NOBODY}/pause"), "POST"),
        (Method::DELETE, format!("{NOBODY}/code"), "POST"),
        (Method::DELETE, format!("{NOBODY}/files"), "GET,HEAD,POST"),
        (Method::POST, "/health".to_owned(), "GET,HEAD"),
    ];
    for (method, path, allowed) in cases {
        let answer = answer(server.request(method.clone(), &path)).await;
        answer.assert_error(405, "METHOD_NOT_ALLOWED", &[method.as_str()]);
        let mut allow: Vec<&str> = answer.header("allow").split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{path}");
    }
}

async fn ids_that_are_none_name_no_session(server: &TestServer) {
    let long = "a".repeat(5000);
    for id in [
        "x",
        "%00",
        "%ff",
        "..%2f",
        "123e4567e89b12d3a456426614174000",
        "%7B123%7D",
        "\u{fc}",
        &long,
    ] {
        let path = format!("/sessions/{id}");
        server
            .get(&path)
            .await
            .assert_error(404, "SESSION_NOT_FOUND", &["there is no session"]);
        server
            .delete(&path)
            .await
            .assert_error(404, "SESSION_NOT_FOUND", &[]);
    }
    server.get(NOBODY).await.assert_error(
        404,
        "SESSION_NOT_FOUND",
        &["00000000-0000-4000-8000-000000000000"],
    );
    server
        .delete(NOBODY)
        .await
        .assert_error(404, "SESSION_NOT_FOUND", &[]);
    let run = server
        .post(&format!("{NOBODY}/code"), &json!({"code": "1"}))
        .await;
    run.assert_error(404, "SESSION_NOT_FOUND", &[]);
    let file = server.get(&format!("{NOBODY}/files?filePath=a")).await;
    file.assert_error(404, "SESSION_NOT_FOUND", &[]);
}

async fn bad_sessions_are_refused(server: &TestServer) {
    let cases = [
        (
            json!({"ttl": 59}),
            "INVALID_TTL",
            &["ttl", "59", "60", "28800"][..],
        ),
        (json!({"ttl": 28801}), "INVALID_TTL", &["ttl", "28801", "28800"]),
        (json!({"ttl": -1}), "INVALID_TTL", &["ttl", "-1"]),
        (json!({"ttl": 60.5}), "INVALID_TTL", &["ttl", "60.5"]),
        (json!({"ttl": 1e300}), "INVALID_TTL", &["ttl"]),
        (json!({"ttl": "3600"}), "INVALID_TTL", &["ttl", "integer"]),
        (json!({"ttl": null}), "INVALID_TTL", &["ttl", "integer"]),
        (json!({"ttl": [60]}), "INVALID_TTL", &["ttl"]),
        (json!({"image": ""}), "INVALID_PARAMETER", &["image", "1..=255"]),
        (
            json!({"image": "a".repeat(256)}),
            "INVALID_PARAMETER",
            &["image", "256", "1..=255"],
        ),
        (json!({"image": "a\0b"}), "INVALID_PARAMETER", &["image", "NUL"]),
        (json!({"image": 3}), "INVALID_PARAMETER", &["image"]),
        (
            json!({"image": "ubuntu:22.04"}),
            "IMAGE_NOT_FOUND",
            &["ubuntu:22.04", "host", "python:3.11"],
        ),
        (json!({"image": "../../etc"}), "IMAGE_NOT_FOUND", &["host"]),
        (json!({"metadata": []}), "INVALID_PARAMETER", &["metadata"]),
        (json!({"metadata": "text"}), "INVALID_PARAMETER", &["metadata"]),
        (
            json!({"metadata": nested(33)}),
            "INVALID_PARAMETER",
            &["metadata", "32"],
        ),
        (
            json!({"metadata": nested(100)}),
            "INVALID_PARAMETER",
            &["metadata", "32"],
        ),
        (
            json!({"metadata": {"a": "x".repeat(16384)}}),
            "INVALID_PARAMETER",
            &["metadata", "16384"],
        ),
        (
            json!({"sshPublicKey": ""}),
            "INVALID_PARAMETER",
            &["sshPublicKey"],
        ),
        (
            json!({"sshPublicKey": "ssh-rsa nonsense"}),
            "INVALID_PARAMETER",
            &["sshPublicKey", "OpenSSH"],
        ),
        (
            json!({"sshPublicKey": "x\ny"}),
            "INVALID_PARAMETER",
            &["sshPublicKey"],
        ),
        (
            json!({"sshPublicKey": "a\0"}),
            "INVALID_PARAMETER",
            &["sshPublicKey", "NUL"],
        ),
        (json!({"tll": 60}), "INVALID_PARAMETER", &["tll"]),
        (json!([]), "INVALID_REQUEST", &["object"]),
        (json!([null, null, null, 3600]), "INVALID_REQUEST", &["object"]),
        (json!("text"), "INVALID_REQUEST", &["object"]),
        (json!(3), "INVALID_REQUEST", &["object"]),
        (json!(null), "INVALID_REQUEST", &["object"]),
    ];
    for (body, code, words) in cases {
        server
            .post("/sessions", &body)
            .await
            .assert_error(400, code, words);
    }
}

async fn bad_pages_are_refused(server: &TestServer) {
    let cases = [
        ("limit=0", "INVALID_LIMIT", &["limit", "0", "1..=100"][..]),
        ("limit=101", "INVALID_LIMIT", &["limit", "101", "1..=100"]),
        ("limit=-1", "INVALID_LIMIT", &["limit", "-1"]),
        ("limit=", "INVALID_LIMIT", &["limit"]),
        ("limit=ten", "INVALID_LIMIT", &["limit", "ten"]),
        ("limit=1.5", "INVALID_LIMIT", &["limit", "1.5"]),
        ("limit=99999999999999999999999999", "INVALID_LIMIT", &["limit"]),
        ("limit=%00", "INVALID_LIMIT", &["limit"]),
        ("limit=1&limit=2", "INVALID_LIMIT", &["limit", "more than once"]),
        ("offset=-1", "INVALID_PARAMETER", &["offset", "-1"]),
        (
            "offset=4294967296",
            "INVALID_PARAMETER",
            &["offset", "4294967295"],
        ),
        ("offset=%FF", "INVALID_PARAMETER", &["offset", "UTF-8"]),
        ("page=1", "INVALID_PARAMETER", &["page", "limit, offset"]),
    ];
    for (query, code, words) in cases {
        server
            .get(&format!("/sessions?{query}"))
            .await
            .assert_error(400, code, words);
    }
    assert_eq!(
        server.get("/sessions?limit=100&offset=4294967295").await.json()["sessions"],
        json!([])
    );
}

async fn bad_code_is_refused(server: &TestServer) {
    let path = format!("{NOBODY}/code");
    let cases = [
        (json!({}), "INVALID_REQUEST", &["code"][..]),
        (json!({"code": ""}), "INVALID_PARAMETER", &["code", "1..=1048576"]),
        (
            json!({"code": "x".repeat((1 << 20) + 1)}),
            "INVALID_PARAMETER",
            &["code", "1048577"],
        ),
        (json!({"code": "a\0b"}), "INVALID_PARAMETER", &["code", "NUL"]),
        (json!({"code": 3}), "INVALID_PARAMETER", &["code"]),
        (json!({"code": null}), "INVALID_PARAMETER", &["code"]),
        (json!({"code": ["1"]}), "INVALID_PARAMETER", &["code"]),
        (
            json!({"code": "1", "language": "ruby"}),
            "INVALID_PARAMETER",
            &["language", "ruby", "python"],
        ),
        (
            json!({"code": "1", "language": ""}),
            "INVALID_PARAMETER",
            &["language"],
        ),
        (
            json!({"code": "1", "language": null}),
            "INVALID_PARAMETER",
            &["language"],
        ),
        (
            json!({"code": "1", "timeout": 0}),
            "INVALID_PARAMETER",
            &["timeout", "0", "1..=300"],
        ),
        (
            json!({"code": "1", "timeout": 301}),
            "INVALID_PARAMETER",
            &["timeout", "301", "1..=300"],
        ),
        (
            json!({"code": "1", "timeout": "60"}),
            "INVALID_PARAMETER",
            &["timeout"],
        ),
        (json!({"code": "1", "env": {}}), "INVALID_PARAMETER", &["env"]),
        (json!([]), "INVALID_REQUEST", &[]),
    ];
    for (body, code, words) in cases {
        server.post(&path, &body).await.assert_error(400, code, words);
    }
}

async fn bad_commands_are_refused(server: &TestServer) {
    let path = format!("{NOBODY}/commands");
    let cases = [
        (json!({}), "INVALID_REQUEST", &["command"][..]),
        (json!({"command": ""}), "INVALID_PARAMETER", &["command"]),
        (
            json!({"command": "a\0"}),
            "INVALID_PARAMETER",
            &["command", "NUL"],
        ),
        (
            json!({"command": "a", "timeout": 301}),
            "INVALID_PARAMETER",
            &["timeout", "301", "1..=300"],
        ),
        (json!({"command": "a", "env": []}), "INVALID_PARAMETER", &["env"]),
        (
            json!({"command": "a", "env": {"A": 3}}),
            "INVALID_PARAMETER",
            &["env"],
        ),
        (
            json!({"command": "a", "env": {"A": "x\0"}}),
            "INVALID_PARAMETER",
            &["env", "NUL"],
        ),
        (
            json!({"command": "a", "env": {"A-B": "x"}}),
            "INVALID_PARAMETER",
            &["env", "A-B"],
        ),
        (
            json!({"command": "a", "env": {"": "x"}}),
            "INVALID_PARAMETER",
            &["env"],
        ),
        (
            json!({"command": "a", "env": {"1A": "x"}}),
            "INVALID_PARAMETER",
            &["env", "1A"],
        ),
        (
            json!({"command": "a", "env": {"A": "x".repeat(16385)}}),
            "INVALID_PARAMETER",
            &["env", "16384"],
        ),
        (
            json!({"command": "a", "env": {"SANDBOX_AGENT_TIMEOUT_MS": "9"}}),
            "INVALID_PARAMETER",
            &["env", "SANDBOX_AGENT_", "reserved"],
        ),
    ];
    for (body, code, words) in cases {
        server.post(&path, &body).await.assert_error(400, code, words);
    }
}

async fn bodies_must_be_json(server: &TestServer) {
    for path in [
        "/sessions".to_owned(),
        format!("{NOBODY}/code"),
        format!("{NOBODY}/commands"),
    ] {
        for body in [
            &b"{"[..],
            b"{]",
            b"nonsense",
            b"{\"ttl\": 60,}",
            b"{} {}",
            b"\xff",
            b"{\"a\xff\": 1}",
            b"\0",
        ] {
            raw(server, &path, body)
                .await
                .assert_error(400, "INVALID_REQUEST", &["not valid JSON"]);
        }
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "",
        ] {
            let request = server
                .request(Method::POST, &path)
                .header("content-type", media_type)
                .body("{}");
            answer(request)
                .await
                .assert_error(415, "UNSUPPORTED_MEDIA_TYPE", &["application/json"]);
        }
        let untyped = server.request(Method::POST, &path).body("{}");
        answer(untyped)
            .await
            .assert_error(415, "UNSUPPORTED_MEDIA_TYPE", &["application/json"]);
    }
    let twice = raw(server, "/sessions", "{\"ttl\": 60, \"ttl\": 61}").await;
    twice.assert_error(400, "INVALID_REQUEST", &["ttl"]);
    let absent = answer(server.request(Method::POST, &format!("{NOBODY}/code"))).await;
    absent.assert_error(415, "UNSUPPORTED_MEDIA_TYPE", &["application/json"]);
}

async fn bodies_must_be_small(server: &TestServer) {
    let large = raw(server, "/sessions", vec![b' '; (8 << 20) + 1]).await;
    large.assert_error(413, "PAYLOAD_TOO_LARGE", &["8388608"]);
    assert_eq!(large.json()["details"]["limit"], 8 << 20);
    // Escaped, the longest code takes six times its length.
    let longest = format!("{{\"code\": \"{}\"}}", "\\u0001".repeat(1 << 20));
    raw(server, &format!("{NOBODY}/code"), longest)
        .await
        .assert_error(404, "SESSION_NOT_FOUND", &[]);
}

async fn hostile_nesting_is_only_an_error(server: &TestServer) {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for levels in [127, 128, 5000, 1 << 20] {
            let value = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let body = format!("{{\"metadata\": {{\"a\": {value}}}}}");
            let refused = raw(server, "/sessions", body).await;
            refused.assert_error(400, "INVALID_PARAMETER", &["metadata"]);
            let unclosed = raw(server, "/sessions", open.repeat(levels.min(1 << 19))).await;
            unclosed.assert_error(400, "INVALID_REQUEST", &[]);
        }
    }
}

async fn garbage_is_not_http(server: &TestServer) {
    let headers = "a: b\r\n".repeat(1000);
    for request in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\nhost: x\r\n{headers}\r\n"),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(1 << 20)),
        "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: nonsense\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\x00\x01\x00".to_owned(),
    ] {
        let mut stream = TcpStream::connect(server.authority())
            .await
            .expect("a connection");
        // The server may hang up before it has read all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let head = String::from_utf8_lossy(&answer);
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 4"), "{head}");
    }
    assert_eq!(server.get("/health").await.status, 200);
}

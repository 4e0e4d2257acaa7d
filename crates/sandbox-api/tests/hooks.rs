//! What the client puts on the wire, and what it makes of answers, against servers that answer anything.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail as tests do"
)]

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::header::HeaderMap;
use sandbox_api::{
    Client, Error,
    hooks::{BearerToken, Hooks, MAX_ERROR_BYTES, MAX_JSON_BYTES},
    types,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

const TOKEN: &str = "test-token-1234";
/// Far more than anything here takes; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Serves one connection, and gives the head of its request back.
struct Server {
    address: SocketAddr,
    request: JoinHandle<String>,
}

impl Server {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::serving(async move |mut connection: TcpStream| {
            // A client that has read enough may have hung up.
            let _ = connection.write_all(&answer).await;
            let _ = connection.shutdown().await;
        })
        .await
    }

    async fn serving<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let request = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let head = read_request(&mut connection).await;
            serve(connection).await;
            head
        });
        Self { address, request }
    }

    fn client(&self, hooks: Hooks) -> Client {
        Client::new_with_client(
            format!("http://{}/v1", self.address).parse().unwrap(),
            reqwest::Client::new(),
            hooks,
        )
    }

    async fn request(self) -> String {
        timeout(DEADLINE, self.request).await.unwrap().unwrap()
    }
}

/// Reads a request with its body, because closing a connection with unread bytes can take the answer with it. Gives
/// the head back in lower case.
async fn read_request(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    connection.read_exact(&mut body).await.unwrap();
    head
}

fn bearer() -> Hooks {
    Hooks::bearer(TOKEN.parse().unwrap())
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Sends a request and gives the API error of its answer, with the status and the headers.
async fn refused(server: &Server) -> (u16, HeaderMap, types::Error) {
    let client = server.client(bearer());
    let id = "550e8400-e29b-41d4-a716-446655440000".parse().unwrap();
    let refused = timeout(DEADLINE, client.get_session(&id)).await.unwrap();
    match refused.unwrap_err() {
        Error::ErrorResponse(response) => (
            response.status().as_u16(),
            response.headers().clone(),
            response.into_inner(),
        ),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn token_is_sent_and_the_generators_header_is_not() {
    let server = Server::answering(answer(
        "200 OK",
        r#"{"sessions":[],"total":0,"limit":7,"offset":0}"#,
    ))
    .await;
    let client = server.client(bearer());
    let list = client
        .list_sessions(Some(&7.try_into().unwrap()), None)
        .await
        .unwrap();
    assert!(list.sessions.is_empty());
    let request = server.request().await;
    assert!(
        request.starts_with("get /v1/sessions?limit=7 http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("\r\nauthorization: bearer {TOKEN}\r\n")),
        "{request}"
    );
    assert!(!request.contains("api-version"), "{request}");
}

#[tokio::test]
async fn health_check_is_sent_without_the_token() {
    let server = Server::answering(answer("200 OK", r#"{"status":"healthy"}"#)).await;
    server.client(bearer()).health_check().await.unwrap();
    let request = server.request().await;
    assert!(request.starts_with("get /v1/health http/1.1\r\n"), "{request}");
    assert!(
        !request.contains("authorization") && !request.contains(TOKEN),
        "{request}"
    );
}

#[tokio::test]
async fn token_is_asked_for_before_every_request() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let hooks = Hooks::bearer_from(|| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => Some(BearerToken::new("first").unwrap()),
        _ => None,
    });
    for expected in [Some("authorization: bearer first"), None] {
        let server = Server::answering(answer(
            "200 OK",
            r#"{"sessions":[],"total":0,"limit":50,"offset":0}"#,
        ))
        .await;
        server
            .client(hooks.clone())
            .list_sessions(None, None)
            .await
            .unwrap();
        let request = server.request().await;
        match expected {
            Some(header) => assert!(request.contains(header), "{request}"),
            None => assert!(!request.contains("authorization"), "{request}"),
        }
    }
}

#[tokio::test]
async fn token_is_in_no_debug_output() {
    let server = Server::answering("").await;
    let client = server.client(bearer());
    let error = client.list_sessions(None, None).await.unwrap_err();
    let shown = format!("{client:?} {:?} {error:?} {error:#}", bearer());
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn api_errors_arrive_as_they_are() {
    let body = r#"{"error":"SESSION_NOT_FOUND","message":"no such session","requestId":"r1","surplus":1}"#;
    let server = Server::answering(answer("404 Not Found", body)).await;
    let (status, _, error) = refused(&server).await;
    assert_eq!((status, error.error.as_str()), (404, "SESSION_NOT_FOUND"));
    assert_eq!(
        (error.message.as_str(), error.request_id.as_deref()),
        ("no such session", Some("r1"))
    );
}

#[tokio::test]
async fn foreign_errors_keep_status_and_headers() {
    let page = format!("<html>\n<h1>Bad Gateway</h1>{}</html>", "x".repeat(10_000));
    let server = Server::answering(answer(
        "502 Bad Gateway\r\nRetry-After: 7\r\nContent-Type: text/html",
        &page,
    ))
    .await;
    let (status, headers, error) = refused(&server).await;
    assert_eq!((status, error.error.as_str()), (502, "HTTP_502"));
    assert_eq!(headers["retry-after"], "7");
    assert_eq!(headers["content-type"], "text/html");
    assert!(
        !headers.contains_key("content-length"),
        "it was the length of another body"
    );
    let snippet = error.details.unwrap()["body"].as_str().unwrap().to_owned();
    assert!(
        snippet.starts_with("<html> <h1>Bad Gateway</h1>xxx") && snippet.len() == 256,
        "{snippet}"
    );
}

#[tokio::test]
async fn successes_outside_the_contract_keep_status_and_origin() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let id = "550e8400-e29b-41d4-a716-446655440000".parse().unwrap();
    let error = server.client(bearer()).delete_session(&id).await.unwrap_err();
    let Error::UnexpectedResponse(response) = error else {
        panic!("{error:?}")
    };
    assert_eq!(response.status(), 204);
    assert_eq!(
        response.url().as_str(),
        format!("http://{}/v1/sessions/{id}", server.address)
    );
}

#[tokio::test]
async fn errors_without_a_body_or_with_a_broken_one_keep_their_status() {
    let broken = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{\"error\":";
    for (bytes, expected) in [(answer("418 I'm a teapot", ""), 418), (broken.to_owned(), 503)] {
        let server = Server::answering(bytes).await;
        let (status, _, error) = refused(&server).await;
        assert_eq!((status, error.error), (expected, format!("HTTP_{expected}")));
    }
}

#[tokio::test]
async fn endless_error_body_is_cut() {
    let server = Server::serving(async |mut connection: TcpStream| {
        connection
            .write_all(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
            .await
            .unwrap();
        // Until the client, having read enough, hangs up.
        while connection.write_all(&[b' '; MAX_ERROR_BYTES]).await.is_ok() {}
    })
    .await;
    let (status, _, error) = refused(&server).await;
    assert_eq!((status, error.error.as_str()), (500, "HTTP_500"));
    server.request().await;
}

#[tokio::test]
async fn endless_json_is_an_error_and_not_a_full_memory() {
    let server = Server::serving(async |mut connection: TcpStream| {
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut written = 0;
        while written < 2 * MAX_JSON_BYTES && connection.write_all(&[b' '; 1 << 16]).await.is_ok() {
            written += 1 << 16;
        }
        assert!(written < 2 * MAX_JSON_BYTES, "the client read it all");
    })
    .await;
    let client = server.client(bearer());
    let error = timeout(DEADLINE, client.list_sessions(None, None))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, Error::Custom(_)), "{error:?}");
    server.request().await;
}

#[tokio::test]
async fn leading_white_space_of_slow_answers_is_skipped() {
    let body = "\n \n {\"status\":\"completed\",\"exitCode\":0,\"stdout\":\"42\\n\",\"stderr\":\"\"}";
    let server = Server::answering(answer("200 OK", body)).await;
    let request = types::ExecuteCodeRequest {
        code: "print(6 * 7)".parse().unwrap(),
        language: types::Language::Python,
        timeout: 60.try_into().unwrap(),
    };
    let id = "550e8400-e29b-41d4-a716-446655440000".parse().unwrap();
    let result = server.client(bearer()).execute_code(&id, &request).await.unwrap();
    assert_eq!(
        (result.stdout.as_str(), result.exit_code, result.stdout_truncated),
        ("42\n", Some(0), false)
    );
}

#[tokio::test]
async fn paths_and_flags_are_query_parameters() {
    let info = r#"{"path":"/workspace/a b","size":0,"modifiedAt":"2026-01-01T12:00:00.000Z"}"#;
    let server = Server::answering(answer("201 Created", info)).await;
    let id = "550e8400-e29b-41d4-a716-446655440000".parse().unwrap();
    let path = "a b&c=ü".parse().unwrap();
    server
        .client(bearer())
        .upload_file(&id, Some(true), &path, "")
        .await
        .unwrap();
    let request = server.request().await;
    let expected = "/files?overwrite=true&path=a+b%26c%3d%c3%bc http/1.1\r\n";
    assert!(request.contains(expected), "{request}");
    assert!(
        request.contains("content-type: application/octet-stream"),
        "{request}"
    );
}

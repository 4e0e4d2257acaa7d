//! How servers start and stop.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use reqwest::Method;
use sandbox_server::{Lifetime, Limits, Server, ServerConfig};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::{TestServer, answer, config};
use crate::ssh::{DEADLINE, eventually};
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>) -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),+ $(,)?) => {
            vec![$(trial(runtime, concat!("lifecycle::", stringify!($test)), $test)),+]
        };
    }
    trials![
        sessions_outlive_a_persistent_server,
        a_full_server_says_so,
        a_session_that_cannot_be_reached_is_unavailable,
        a_sandbox_that_cannot_be_made_is_the_servers_failure,
        one_owner_has_so_many_sessions_and_no_more,
        a_stopping_server_lets_requests_end,
        a_stopping_server_does_not_wait_for_ever,
        more_connections_than_there_may_be_wait,
        a_wrong_configuration_is_told_at_start,
    ]
}

fn state() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

async fn start(adjust: impl FnOnce(ServerConfig) -> ServerConfig) -> TestServer {
    let state = state();
    let config = adjust(config(state.path()).lifetime(Lifetime::Ephemeral));
    TestServer::start_with(config, state).await.expect("a server")
}

async fn sessions_outlive_a_persistent_server() {
    let state = state();
    let server = TestServer::start_with(config(state.path()), state)
        .await
        .expect("a server");
    let session = server.session().await;
    let commands = format!("{session}/commands");
    server
        .post(&commands, &json!({"command": "echo kept > file"}))
        .await;
    let before = server.get(&session).await.json();

    let state = server.stop().await;
    let server = TestServer::start_with(config(state.path()), state)
        .await
        .expect("another server");
    assert_eq!(server.get(&session).await.json(), before);
    let read = server
        .post(&commands, &json!({"command": "cat file"}))
        .await
        .json();
    assert_eq!(read["stdout"], "kept\n");
    assert_eq!(server.delete(&session).await.status, 200);
    let state = server.stop().await;
    assert_eq!(
        std::fs::read_dir(state.path().join("sessions"))
            .expect("a directory")
            .count(),
        0
    );
}

async fn a_full_server_says_so() {
    let server = start(|config| config.max_sessions(1)).await;
    let session = server.session().await;
    let refused = answer(server.request(Method::POST, "/sessions")).await;
    refused.assert_error(503, "UNAVAILABLE", &["as many sessions as it can hold", "1"]);
    assert!(refused.header("retry-after").parse::<u64>().is_ok());
    server.delete(&session).await;
    server.session().await;
    server.stop().await;
}

async fn a_session_that_cannot_be_reached_is_unavailable() {
    let state = state();
    let server = TestServer::start_with(config(state.path()), state)
        .await
        .expect("a server");
    let session = server.session().await;
    // Another server has no connection to it yet.
    let state = server.stop().await;
    let server = TestServer::start_with(config(state.path()), state)
        .await
        .expect("another server");
    let of_session = |method, path: &str| server.request(method, &format!("{session}{path}"));
    let octets =
        |request: reqwest::RequestBuilder| request.header("content-type", "application/octet-stream");
    server.obstruct(&session);
    for request in [
        of_session(Method::POST, "/commands").json(&json!({"command": "true"})),
        of_session(Method::POST, "/code").json(&json!({"code": "1"})),
        octets(of_session(Method::POST, "/files?path=a")).body("x"),
        of_session(Method::GET, "/files?filePath=a"),
    ] {
        let unavailable = answer(request).await;
        unavailable.assert_error(503, "UNAVAILABLE", &[]);
        assert!(unavailable.header("retry-after").parse::<u64>().is_ok());
    }
    assert_eq!(server.delete(&session).await.status, 200);
    server.stop().await;
}

async fn a_sandbox_that_cannot_be_made_is_the_servers_failure() {
    let place = state();
    let program = place.path().join("program");
    std::fs::copy("/proc/self/exe", &program).expect("a copy of this program");
    let server = start(|config| config.program(&program)).await;
    std::fs::remove_file(&program).expect("the copy is there");
    // What was started ahead may serve once more.
    for _ in 0..10 {
        let created = answer(server.request(Method::POST, "/sessions")).await;
        if created.status != 200 {
            created.assert_error(500, "SANDBOX_CREATE_FAILED", &[]);
            assert!(!created.text().contains("program"), "{}", created.text());
            return drop(server.stop().await);
        }
    }
    panic!("sandboxes are made without the program that makes them");
}

async fn one_owner_has_so_many_sessions_and_no_more() {
    let server = start(|config| config.max_sessions_per_owner(2)).await;
    let create = || async { answer(server.request(Method::POST, "/sessions")).await };
    let answers = futures_util::future::join_all((0..6).map(|_| create())).await;
    let created = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(created.count(), 2);
    let refused = create().await;
    refused.assert_error(429, "SESSION_LIMIT_REACHED", &["2 sessions are alive"]);
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((3000..=3600).contains(&wait), "{wait}");
    assert!(!refused.header("x-ratelimit-remaining").is_empty());
    let bobs = answer(server.as_bob(Method::POST, "/sessions")).await;
    assert_eq!(bobs.status, 200, "{}", bobs.text());
    let alices = answers
        .iter()
        .find(|answer| answer.status == 200)
        .expect("one")
        .json();
    let path = format!("/sessions/{}", alices["sessionId"].as_str().expect("an id"));
    assert_eq!(server.delete(&path).await.status, 200);
    assert_eq!(create().await.status, 200);
    server.stop().await;
}

/// A request for a command that runs by now, in a session of its own.
async fn begun(server: &TestServer, command: &str) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    let commands = format!("{}/commands", server.session().await);
    let body = json!({ "command": format!("touch begun; {command}") });
    let running = tokio::spawn(server.request(Method::POST, &commands).json(&body).send());
    let listed = || async { server.post(&commands, &json!({"command": "ls"})).await.json() };
    eventually("it has begun", || async { listed().await["stdout"] == "begun\n" }).await;
    running
}

async fn a_stopping_server_lets_requests_end() {
    let server = start(|config| config).await;
    let running = begun(&server, "sleep 1; echo done").await;
    let state = server.stop().await;
    let result = running
        .await
        .expect("no panic")
        .expect("an answer")
        .text()
        .await
        .expect("a body");
    assert!(result.contains("done\\n"), "{result}");
    assert!(own_directories(&state).is_empty());
}

async fn a_stopping_server_does_not_wait_for_ever() {
    let server = start(|config| config).await;
    let running = begun(&server, "sleep 600").await;
    let state = timeout(DEADLINE, server.stop()).await.expect("the server stops");
    assert!(running.await.expect("no panic").is_err());
    assert!(own_directories(&state).is_empty());
}

/// What ephemeral servers have made for themselves. The last of them removes the directory itself, too.
fn own_directories(state: &TempDir) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(state.path()).into_iter().flatten();
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect()
}

async fn more_connections_than_there_may_be_wait() {
    let server = start(|config| config.max_connections(1)).await;
    let mut first = TcpStream::connect(server.authority())
        .await
        .expect("a connection");
    first
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("a request");
    assert_eq!(first.read_u8().await.expect("an answer"), b'H');
    {
        let second = server.get("/health");
        tokio::pin!(second);
        assert!(
            timeout(Duration::from_millis(300), &mut second).await.is_err(),
            "the second one did not wait"
        );
        drop(first);
        assert_eq!(timeout(DEADLINE, second).await.expect("an answer").status, 200);
    }
    server.stop().await;
}

async fn a_wrong_configuration_is_told_at_start() {
    let other = start(|config| config).await;
    let taken = other.authority().parse().expect("an address");
    let in_use = state();
    let _user = Server::start(config(in_use.path())).await.expect("a server");
    let fresh = state();
    let cases = [
        (config(fresh.path()).listen(taken), "cannot listen on"),
        (config(in_use.path()), "in use"),
        (
            config(fresh.path()).image_aliases([("a".to_owned(), "b".to_owned())]),
            "available are: host",
        ),
        (
            config(fresh.path()).limits(Limits {
                pids: 1,
                ..Limits::default()
            }),
            "processes",
        ),
        (config(fresh.path()).shared_paths(["relative".into()]), "relative"),
        (config(std::path::Path::new("/proc/nowhere")), "/proc/nowhere"),
    ];
    for (config, words) in cases {
        let error = Server::start(config).await.expect_err("it must not start");
        let mut told = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            told = format!("{told}: {cause}");
            source = cause.source();
        }
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    other.stop().await;
}

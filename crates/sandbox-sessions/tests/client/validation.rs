//! Bad values fail before anything is sent, naming the value and its bounds.

use std::time::Duration;

use sandbox_api_contract::MockServer;
use sandbox_api_mock::{MockServerExt, values};
use sandbox_sessions::{CreateSession, Error, ErrorKind, ListSessions, RunCode, RunCommand};
use serde_json::json;

use crate::support::{ID, client_for, id};

/// A server that would notice any request at all.
struct Untouched {
    server: MockServer,
}

impl Untouched {
    async fn start() -> Self {
        Self {
            server: MockServer::start_async().await,
        }
    }

    async fn expect_refusal<T>(&self, request: impl IntoFuture<Output = Result<T, Error>>, message: &str) {
        let any = self.server.mock_async(|when, then| {
            when.any_request();
            then.status(500);
        });
        let any = any.await;
        let error = request
            .await
            .err()
            .unwrap_or_else(|| panic!("accepted: {message}"));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(error.to_string(), message);
        assert_eq!(error.status_code(), None);
        assert!(!error.is_retryable());
        any.assert_calls_async(0).await;
    }
}

#[tokio::test]
async fn refuses_bad_values_for_a_new_session() {
    let api = Untouched::start().await;
    let client = client_for(api.server.url("/v1"));
    let ttl = |ttl| client.create_session().ttl(ttl);
    let seconds = Duration::from_secs;
    let deep = (1..100).fold(json!({}), |inner, _| json!({ "inner": inner }));
    let table: [(CreateSession, &str); 12] = [
        (
            ttl(seconds(59)),
            "ttl is 59s; it must be whole seconds from 60 to 28800",
        ),
        (
            ttl(seconds(0)),
            "ttl is 0ns; it must be whole seconds from 60 to 28800",
        ),
        (
            ttl(seconds(28801)),
            "ttl is 28801s; it must be whole seconds from 60 to 28800",
        ),
        (
            ttl(seconds(u64::MAX)),
            "ttl is 18446744073709551615s; it must be whole seconds from 60 to 28800",
        ),
        (
            ttl(Duration::from_millis(60_500)),
            "ttl is 60.5s, which has a fraction; it must be whole seconds from 60 to 28800",
        ),
        (client.create_session().image(""), "image is empty"),
        (
            client.create_session().image("python 3"),
            "image \"python 3\" has the character ' ', which no image reference has",
        ),
        (
            client.create_session().image("x".repeat(256)),
            "image is 256 characters long; it must be from 1 to 255",
        ),
        (
            client.create_session().metadata([1, 2]),
            "metadata is an array; it must be an object",
        ),
        (
            client.create_session().metadata(deep),
            "metadata is nested 100 levels deep; at most 32 are allowed",
        ),
        (
            client
                .create_session()
                .metadata(json!({ "k": "x".repeat(16 * 1024) })),
            "metadata takes 16392 bytes as JSON; at most 16384 are allowed",
        ),
        (
            client.create_session().ssh_public_key("ssh-ed25519"),
            "ssh public key must have the form \"algorithm base64 comment\"",
        ),
    ];
    for (request, message) in table {
        api.expect_refusal(request, message).await;
    }
}

#[tokio::test]
async fn refuses_bad_limits() {
    let api = Untouched::start().await;
    let client = client_for(api.server.url("/v1"));
    let table: [(ListSessions, &str); 3] = [
        (
            client.list_sessions().limit(0),
            "limit is 0; it must be from 1 to 100",
        ),
        (
            client.list_sessions().limit(101),
            "limit is 101; it must be from 1 to 100",
        ),
        (
            client.list_sessions().limit(u32::MAX),
            "limit is 4294967295; it must be from 1 to 100",
        ),
    ];
    for (request, message) in table {
        api.expect_refusal(request, message).await;
    }
}

#[tokio::test]
async fn refuses_bad_code_and_timeouts() {
    let api = Untouched::start().await;
    let client = client_for(api.server.url("/v1"));
    let timeout = |timeout| client.run_code(&id(), "pass").timeout(timeout);
    let table: [(RunCode, &str); 6] = [
        (client.run_code(&id(), ""), "code is empty"),
        (
            client.run_code(&id(), "print(1)\0"),
            "code has a NUL character at byte 8",
        ),
        (
            client.run_code(&id(), "é".repeat(1_048_577)),
            "code is 1048577 characters long; it must be from 1 to 1048576",
        ),
        (
            timeout(Duration::ZERO),
            "timeout is 0ns; it must be whole seconds from 1 to 300",
        ),
        (
            timeout(Duration::from_secs(301)),
            "timeout is 301s; it must be whole seconds from 1 to 300",
        ),
        (
            timeout(Duration::from_millis(1500)),
            "timeout is 1.5s, which has a fraction; it must be whole seconds from 1 to 300",
        ),
    ];
    for (request, message) in table {
        api.expect_refusal(request, message).await;
    }
}

#[tokio::test]
async fn refuses_bad_commands_and_variables() {
    let api = Untouched::start().await;
    let client = client_for(api.server.url("/v1"));
    let env = |name: &str, value: &str| client.run_command(&id(), "true").env(name, value);
    let table: [(RunCommand, &str); 6] = [
        (client.run_command(&id(), ""), "command is empty"),
        (
            client.run_command(&id(), "ls\0"),
            "command has a NUL character at byte 2",
        ),
        (
            client
                .run_command(&id(), "true")
                .timeout(Duration::from_secs(301)),
            "timeout is 301s; it must be whole seconds from 1 to 300",
        ),
        (
            env("A=B", "c"),
            "environment variable \"A=B\" must consist of ASCII letters, digits and underscores and not start with a \
             digit",
        ),
        (
            env("SANDBOX_AGENT_TIMEOUT_MS", "1"),
            "environment variable \"SANDBOX_AGENT_TIMEOUT_MS\" starts with the reserved SANDBOX_AGENT_",
        ),
        (
            env("A", "\0"),
            "environment variable A has a NUL character at byte 0",
        ),
    ];
    for (request, message) in table {
        api.expect_refusal(request, message).await;
    }
}

#[tokio::test]
async fn accepts_the_bounds_themselves() {
    let server = MockServer::start_async().await;
    let create = server.create_session(|_, then| {
        then.ok(&values::session(ID.parse().unwrap()));
    });
    let list = server.list_sessions(|_, then| {
        then.ok(&values::session_list(Vec::new()));
    });
    let run = server.execute_code(|when, then| {
        when.session_id(&ID.parse().unwrap());
        then.ok(&values::command_result("42\n"));
    });
    let client = client_for(server.url("/v1"));
    for seconds in [60, 28800] {
        client
            .create_session()
            .ttl(Duration::from_secs(seconds))
            .await
            .unwrap();
    }
    for limit in [1, 100] {
        client.list_sessions().limit(limit).await.unwrap();
    }
    for seconds in [1, 300] {
        client
            .run_code(&id(), "é".repeat(1_048_576))
            .timeout(Duration::from_secs(seconds))
            .await
            .unwrap();
    }
    create.assert_calls_async(2).await;
    list.assert_calls_async(2).await;
    run.assert_calls_async(2).await;
}

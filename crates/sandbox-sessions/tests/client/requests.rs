//! What goes out and what comes back when all is well.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sandbox_api::{bounded::BoundedU32, types};
use sandbox_api_contract::MockServer;
use sandbox_api_mock::{MockServerExt, values};
use sandbox_sessions::{CommandStatus, HealthStatus, Language, Session, SessionStatus, SessionsClient};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ID, Scripted, TOKEN, answer, client_for, command_result, id, session};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBYgf0wsqBpjBDOmYL4BQoVQIgvcFYvOmRjPZ6oVj4Lf alice@example";

fn uuid() -> Uuid {
    ID.parse().unwrap()
}

fn paused_session() -> types::Session {
    types::Session {
        status: sandbox_api::open::SessionStatus::Paused,
        ..values::session(uuid())
    }
}

async fn created_from(body: Value) -> Session {
    let api = Scripted::answering(answer("200 OK", "application/json", &body.to_string())).await;
    api.client().create_session().await.unwrap()
}

#[tokio::test]
async fn create_session_sends_everything_that_was_set() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("POST")
                .path("/v1/sessions")
                .header("authorization", format!("Bearer {TOKEN}"))
                .header("content-type", "application/json")
                .json_body(json!({
                    "ttl": 7200,
                    "image": "ubuntu:22.04",
                    "metadata": { "user": "alice", "nested": { "list": [1, 2.5, null] } },
                    "sshPublicKey": KEY,
                }));
            then.status(200).json_body(session());
        })
        .await;
    let created = client_for(server.url("/v1"))
        .create_session()
        .ttl(Duration::from_secs(7200))
        .image("ubuntu:22.04")
        .metadata(json!({ "user": "alice", "nested": { "list": [1, 2.5, null] } }))
        .ssh_public_key(KEY)
        .await
        .unwrap();
    mock.assert_async().await;
    assert_eq!(created.id(), id());
    assert_eq!(*created.status(), SessionStatus::Running);
    assert_eq!(
        created.created_at(),
        "2026-01-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap()
    );
    assert_eq!(
        created.expires_at(),
        "2026-01-01T13:00:00Z".parse::<DateTime<Utc>>().unwrap()
    );
    assert_eq!(
        created.last_activity_at(),
        Some("2026-01-01T12:05:00Z".parse().unwrap())
    );
    assert_eq!(created.metadata()["user"], "alice");
}

#[tokio::test]
async fn a_request_without_settings_is_accepted_by_the_contract() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("POST").path("/v1/sessions").is_true(|request| {
                // Every default may be sent or left out, but nothing may be null or unknown.
                let body: Value = serde_json::from_slice(request.body_ref()).unwrap();
                body.as_object()
                    .unwrap()
                    .iter()
                    .all(|(name, value)| name == "ttl" && value == 3600)
            });
            then.status(200).json_body(session());
        })
        .await;
    client_for(server.url("/v1")).create_session().await.unwrap();
    mock.assert_async().await;
}

#[tokio::test]
async fn list_sessions_asks_for_a_page_and_returns_it() {
    let server = MockServer::start_async().await;
    let mock = server.list_sessions(|when, then| {
        when.limit(&BoundedU32::try_from(10).unwrap()).offset(20);
        then.ok(&types::SessionList {
            sessions: vec![values::session(uuid())],
            total: 21,
            limit: 10,
            offset: 20,
        });
    });
    let page = client_for(server.url("/v1"))
        .list_sessions()
        .limit(10)
        .offset(20)
        .await
        .unwrap();
    mock.assert_async().await;
    assert_eq!((page.total(), page.limit(), page.offset()), (21, 10, 20));
    assert_eq!(page.sessions().len(), 1);
    let wire = serde_json::to_value(&page).unwrap();
    assert_eq!(wire["sessions"][0]["sessionId"], ID);
    assert_eq!(wire["total"], 21);
    let ids: Vec<_> = page.into_iter().map(|session| session.id()).collect();
    assert_eq!(ids, [id()]);
}

#[tokio::test]
async fn sessions_are_fetched_refreshed_and_deleted_through_handles() {
    let server = MockServer::start_async().await;
    let running = server.get_session(|when, then| {
        when.session_id(&uuid());
        then.ok(&values::session(uuid()));
    });
    let mut handle = client_for(server.url("/v1")).get_session(&id()).await.unwrap();
    assert_eq!(*handle.status(), SessionStatus::Running);
    running.assert_async().await;
    running.delete_async().await;

    let paused = server.get_session(|when, then| {
        when.session_id(&uuid());
        then.ok(&paused_session());
    });
    handle.refresh().await.unwrap();
    assert_eq!(*handle.status(), SessionStatus::Paused);
    paused.assert_async().await;

    let deleted = server.delete_session(|when, then| {
        when.session_id(&uuid());
        then.ok(&values::message("session deleted"));
    });
    handle.delete().await.unwrap();
    deleted.assert_async().await;
}

#[tokio::test]
async fn delete_accepts_every_success() {
    for script in [
        answer("200 OK", "application/json", r#"{"message":"deleted"}"#),
        answer(
            "200 OK",
            "application/json",
            r#"{"message":"deleted","sessionId":"x"}"#,
        ),
        answer("200 OK", "application/json", ""),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        answer("202 Accepted", "application/json", "{}"),
    ] {
        let api = Scripted::answering(script.clone()).await;
        api.client()
            .delete_session(&id())
            .await
            .unwrap_or_else(|error| panic!("{script}: {error}"));
    }
}

#[tokio::test]
async fn run_code_sends_language_and_timeout() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("POST")
                .path(format!("/v1/sessions/{ID}/code"))
                .json_body(json!({
                    "code": "console.log('ü')\n", "language": "javascript", "timeout": 7,
                }));
            then.status(200).json_body(json!({
                "status": "failed", "exitCode": 3, "stdout": "partial", "stderr": "boom",
                "stdoutTruncated": true, "stderrTruncated": false,
            }));
        })
        .await;
    let result = client_for(server.url("/v1"))
        .run_code(&id(), "console.log('ü')\n")
        .language(Language::JavaScript)
        .timeout(Duration::from_secs(7))
        .await
        .unwrap();
    mock.assert_async().await;
    assert_eq!(*result.status(), CommandStatus::Failed);
    assert_eq!(result.exit_code(), Some(3));
    assert_eq!((result.stdout(), result.stderr()), ("partial", "boom"));
    assert!(result.stdout_truncated());
    assert!(!result.stderr_truncated());
    assert!(!result.success());
    assert_eq!(serde_json::to_value(&result).unwrap()["exitCode"], 3);
}

#[tokio::test]
async fn run_command_sends_the_environment() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("POST")
                .path(format!("/v1/sessions/{ID}/commands"))
                .json_body(json!({
                    "command": "echo $A$B", "timeout": 60, "env": { "A": "last", "B": "" },
                }));
            then.status(200).json_body(command_result());
        })
        .await;
    let request = client_for(server.url("/v1")).run_command(&id(), "echo $A$B");
    assert!(
        request
            .env("A", "first")
            .env("B", "")
            .env("A", "last")
            .await
            .unwrap()
            .success()
    );
    mock.assert_async().await;
}

#[tokio::test]
async fn pausing_and_resuming_update_the_handle() {
    let server = MockServer::start_async().await;
    server.pause_session(|when, then| {
        when.session_id(&uuid());
        then.ok(&paused_session());
    });
    server.resume_session(|when, then| {
        when.session_id(&uuid());
        then.ok(&values::session(uuid()));
    });
    let mut handle = {
        let api = Scripted::answering(answer("200 OK", "application/json", &session().to_string())).await;
        api.client().get_session(&id()).await.unwrap()
    };
    // Its API is gone, so nothing changes.
    handle.pause().await.unwrap_err();
    assert_eq!(*handle.status(), SessionStatus::Running);

    let client = client_for(server.url("/v1"));
    assert_eq!(
        *client.pause_session(&id()).await.unwrap().status(),
        SessionStatus::Paused
    );
    let mut handle = client.resume_session(&id()).await.unwrap();
    assert_eq!(*handle.status(), SessionStatus::Running);
    handle.pause().await.unwrap();
    assert_eq!(*handle.status(), SessionStatus::Paused);
    handle.resume().await.unwrap();
    assert_eq!(*handle.status(), SessionStatus::Running);
}

#[tokio::test]
async fn the_health_check_sends_no_token() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("GET")
                .path("/v1/health")
                .header_missing("authorization");
            then.status(200).json_body(json!({ "status": "healthy" }));
        })
        .await;
    assert_eq!(
        client_for(server.url("/v1")).check_health().await.unwrap(),
        HealthStatus::Healthy
    );
    mock.assert_async().await;
}

#[tokio::test]
async fn a_code_timeout_is_a_result() {
    let body = json!({ "status": "timeout", "exitCode": null, "stdout": "so far", "stderr": "" });
    let api = Scripted::answering(answer("200 OK", "application/json", &body.to_string())).await;
    let result = api.client().run_code(&id(), "while True: pass").await.unwrap();
    assert_eq!(*result.status(), CommandStatus::Timeout);
    assert_eq!(result.exit_code(), None);
    assert_eq!(result.stdout(), "so far");
    assert!(!result.success());
}

#[tokio::test]
async fn success_needs_both_the_status_and_the_exit_code() {
    for (status, exit_code, success) in [
        ("completed", json!(0), true),
        ("completed", json!(1), false),
        ("completed", json!(null), false),
        ("failed", json!(0), false),
        ("evicted", json!(0), false),
    ] {
        let mut body = command_result();
        body["status"] = json!(status);
        body["exitCode"] = exit_code;
        let api = Scripted::answering(answer("200 OK", "application/json", &body.to_string())).await;
        let result = api.client().run_code(&id(), "pass").await.unwrap();
        assert_eq!(result.success(), success, "{body}");
        assert_eq!(result.status().to_string(), status);
    }
}

#[tokio::test]
async fn white_space_ahead_of_an_answer_is_skipped() {
    let body = format!("{}{}", " \n".repeat(1000), command_result());
    let api = Scripted::answering(answer("200 OK", "application/json", &body)).await;
    assert!(api.client().run_code(&id(), "pass").await.unwrap().success());
}

#[tokio::test]
async fn the_http_timeout_outlives_the_code_timeout() {
    let server = MockServer::start_async().await;
    server
        .mock_async(|when, then| {
            when.method("POST");
            then.status(200)
                .delay(Duration::from_millis(900))
                .json_body(command_result());
        })
        .await;
    let client = SessionsClient::builder()
        .url(server.url("/v1"))
        .token(TOKEN)
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    // Slower than the client's timeout, but within the code's timeout.
    assert!(
        client
            .run_code(&id(), "pass")
            .timeout(Duration::from_secs(5))
            .await
            .unwrap()
            .success()
    );
    // The API's default for the code's timeout counts when none is set.
    assert!(client.run_code(&id(), "pass").await.unwrap().success());
}

#[tokio::test]
async fn the_base_path_is_kept_and_the_token_goes_with_every_request() {
    let server = MockServer::start_async().await;
    let mock = server
        .mock_async(|when, then| {
            when.method("GET")
                .path(format!("/gateway/sandbox/v1/sessions/{ID}"))
                .header("authorization", format!("Bearer {TOKEN}"))
                .header_missing("api-version");
            then.status(200).json_body(session());
        })
        .await;
    client_for(server.url("/gateway/sandbox/v1/"))
        .get_session(&id())
        .await
        .unwrap();
    mock.assert_async().await;
}

#[tokio::test]
async fn timestamps_with_any_precision_and_offset_are_read() {
    for (written, instant) in [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"),
        ("2026-01-01T12:00:00.123Z", "2026-01-01T12:00:00.123Z"),
        ("2026-01-01T12:00:00.123456Z", "2026-01-01T12:00:00.123456Z"),
        ("2026-01-01T12:00:00.123456789Z", "2026-01-01T12:00:00.123456789Z"),
        ("2026-01-01T12:00:00+00:00", "2026-01-01T12:00:00Z"),
        ("2026-01-01T14:30:00.5+02:30", "2026-01-01T12:00:00.5Z"),
        ("2025-12-31T23:00:00-13:00", "2026-01-01T12:00:00Z"),
    ] {
        let mut body = session();
        body["createdAt"] = json!(written);
        let expected: DateTime<Utc> = instant.parse().unwrap();
        assert_eq!(created_from(body).await.created_at(), expected, "{written}");
    }
}

#[tokio::test]
async fn a_session_serialises_under_the_names_of_the_api() {
    let wire = serde_json::to_value(created_from(session()).await).unwrap();
    assert_eq!(wire["sessionId"], ID);
    assert_eq!(wire["status"], "running");
    assert_eq!(wire["metadata"], json!({ "user": "alice" }));
    let expires_at: DateTime<Utc> = wire["expiresAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        expires_at,
        "2026-01-01T13:00:00Z".parse::<DateTime<Utc>>().unwrap()
    );
}

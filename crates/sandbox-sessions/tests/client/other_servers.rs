//! Servers that are older than this crate, or newer.

use sandbox_sessions::{CommandStatus, Error, ErrorKind, HealthStatus, SessionStatus};
use serde_json::{Value, json};

use crate::support::{ID, Scripted, answer, id, session};

async fn answering(status: &str, body: &Value) -> Scripted {
    Scripted::answering(answer(status, "application/json", &body.to_string())).await
}

#[tokio::test]
async fn fields_of_a_newer_server_survive() {
    let mut told = session();
    told["region"] = json!("eu-1");
    told["network"] = json!({ "egress": ["10.0.0.0/8"], "limit": null });
    let api = answering("200 OK", &told).await;
    let session = api.client().get_session(&id()).await.unwrap();
    assert_eq!(session.extra()["region"], "eu-1");
    let kept = serde_json::to_value(&session).unwrap();
    for name in ["region", "network", "sessionId", "status", "metadata"] {
        assert_eq!(kept[name], told[name], "{name}");
    }
    assert_eq!(kept.as_object().unwrap().len(), told.as_object().unwrap().len());

    let api = answering(
        "200 OK",
        &json!({ "sessions": [told], "total": 1, "limit": 50, "offset": 0, "next": "x" }),
    )
    .await;
    let page = api.client().list_sessions().await.unwrap();
    assert_eq!(
        serde_json::to_value(&page).unwrap()["sessions"][0]["region"],
        "eu-1"
    );
}

#[tokio::test]
async fn fields_of_a_newer_server_do_not_get_in_the_way() {
    let result = json!({
        "status": "completed", "exitCode": 0, "stdout": "", "stderr": "", "usage": { "cpu": 1.5 },
    });
    let api = answering("200 OK", &result).await;
    assert!(api.client().run_code(&id(), "pass").await.unwrap().success());
    let file = json!({ "path": "/x", "size": 1, "modifiedAt": "2026-01-01T12:00:00Z", "mode": "0644" });
    let api = answering("201 Created", &file).await;
    assert_eq!(
        api.client().upload_file(&id(), "x", "y").await.unwrap().path(),
        "/x"
    );
    let refusal = json!({ "error": "NEW_CODE", "message": "because", "help": "https://example.com" });
    let api = answering("422 Unprocessable Content", &refusal).await;
    let error = api.client().get_session(&id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.error_code()),
        (ErrorKind::Operation, Some("NEW_CODE"))
    );
}

#[tokio::test]
async fn what_an_older_server_leaves_out_is_missing_and_no_error() {
    let bare = json!({
        "sessionId": ID, "status": "running",
        "createdAt": "2026-01-01T12:00:00Z", "expiresAt": "2026-01-01T13:00:00Z",
    });
    let mut nulls = bare.clone();
    for name in ["lastActivityAt", "metadata", "image", "sshHostKey"] {
        nulls[name] = Value::Null;
    }
    for told in [bare, nulls] {
        let api = answering("200 OK", &told).await;
        let session = api.client().create_session().await.unwrap();
        assert_eq!(session.last_activity_at(), None);
        assert_eq!(session.image(), None);
        assert_eq!(session.ssh_host_key(), None);
        assert!(session.metadata().is_empty() && session.extra().is_empty());
    }

    let result = json!({ "status": "timeout", "exitCode": null, "stdout": "so far", "stderr": "" });
    let api = answering("200 OK", &result).await;
    let result = api.client().run_command(&id(), "sleep 9").await.unwrap();
    assert_eq!((result.exit_code(), result.stdout_truncated()), (None, false));
}

#[tokio::test]
async fn statuses_of_a_newer_server_are_kept_as_they_are() {
    let mut told = session();
    told["status"] = json!("hibernating");
    let api = answering("200 OK", &told).await;
    let session = api.client().get_session(&id()).await.unwrap();
    assert_eq!(session.status().to_string(), "hibernating");
    assert_ne!(*session.status(), SessionStatus::Running);
    assert_eq!(serde_json::to_value(&session).unwrap()["status"], "hibernating");

    let result = json!({ "status": "evicted", "exitCode": 0, "stdout": "", "stderr": "" });
    let api = answering("200 OK", &result).await;
    let result = api.client().run_code(&id(), "pass").await.unwrap();
    assert_eq!(result.status().to_string(), "evicted");
    assert!(*result.status() != CommandStatus::Completed && !result.success());

    let api = answering("200 OK", &json!({ "status": "degraded" })).await;
    let health = api.client().check_health().await.unwrap();
    assert_eq!(health.to_string(), "degraded");
    assert_ne!(health, HealthStatus::Healthy);
}

#[tokio::test]
async fn a_deletion_may_be_answered_in_every_way_that_says_yes() {
    for told in [
        answer("200 OK", "application/json", r#"{"message":"deleted"}"#),
        answer("200 OK", "application/json", r#"{"deleted":true}"#),
        answer("200 OK", "application/json", "null"),
        answer("200 OK", "text/plain", ""),
        answer("202 Accepted", "application/json", "{}"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ] {
        let api = Scripted::answering(told.clone()).await;
        let deleted: Result<(), Error> = api.client().delete_session(&id()).await;
        assert!(deleted.is_ok(), "{told}: {deleted:?}");
    }
}

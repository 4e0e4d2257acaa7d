//! Sessions that stand still.

use std::sync::Arc;

use libtest_mimic::Trial;
use reqwest::Method;
use sandbox_sessions::{Session, SessionStatus};
use serde_json::json;

use crate::access::NOBODY;
use crate::answer::Answer;
use crate::server::Server;
use crate::trial::{Held, Unsupported, trials};

pub(crate) fn trials(server: &Arc<Server>) -> Vec<Trial> {
    trials![server,
        "pauseSession":
            a_paused_session_runs_nothing,
            only_a_running_session_can_be_paused,
            what_is_no_session_cannot_be_paused;
        "resumeSession":
            a_resumed_session_goes_on,
            only_a_paused_session_can_be_resumed,
            what_is_no_session_cannot_be_resumed;
    ]
}

/// A paused session, where there can be one.
async fn paused(server: &Server) -> Result<Session, Unsupported> {
    let mut session = server.session().await;
    match session.pause().await {
        Ok(()) => Ok(session),
        Err(error) if error.status_code() == Some(501) => Err(Unsupported(error.message().to_owned())),
        Err(error) => panic!("{error}"),
    }
}

async fn change(server: &Server, path: &str) -> Answer {
    Answer::to(server.request(Method::POST, path)).await
}

async fn a_paused_session_runs_nothing(server: &Server) -> Held {
    let session = paused(server).await?;
    assert_eq!(*session.status(), SessionStatus::Paused);
    let path = format!("/sessions/{}", session.id());
    assert_eq!(server.get(&path).await.json()["status"], "paused");
    let code = server.post(&format!("{path}/code"), &json!({"code": "1"})).await;
    code.assert_status(409, "code in a paused session");
    let command = server
        .post(&format!("{path}/commands"), &json!({"command": "true"}))
        .await;
    command.assert_status(409, "a command in a paused session");
    let upload = server.request(Method::POST, &format!("{path}/files?path=a"));
    let upload = upload
        .header("content-type", "application/octet-stream")
        .body("x");
    Answer::to(upload)
        .await
        .assert_status(409, "an upload into a paused session");
    let download = server.get(&format!("{path}/files?filePath=a")).await;
    download.assert_status(409, "a download from a paused session");
    Ok(())
}

async fn only_a_running_session_can_be_paused(server: &Server) -> Held {
    let session = paused(server).await?;
    let again = change(server, &format!("/sessions/{}/pause", session.id())).await;
    again.assert_status(409, "a second pause");
    Ok(())
}

async fn a_resumed_session_goes_on(server: &Server) -> Held {
    let mut session = paused(server).await?;
    session.resume().await.expect("it resumes");
    assert_eq!(*session.status(), SessionStatus::Running);
    let result = session.run_command("echo on").await.expect("it runs");
    assert_eq!(result.stdout(), "on\n");
    Ok(())
}

async fn only_a_paused_session_can_be_resumed(server: &Server) -> Held {
    let session = server.session().await;
    let resumed = change(server, &format!("/sessions/{}/resume", session.id())).await;
    if resumed.status == 501 {
        return Err(Unsupported(resumed.to_string()));
    }
    resumed.assert_status(409, "a running session");
    Ok(())
}

async fn what_is_no_session_cannot_be_paused(server: &Server) -> Held {
    not_found(server, "pause").await
}

async fn what_is_no_session_cannot_be_resumed(server: &Server) -> Held {
    not_found(server, "resume").await
}

async fn not_found(server: &Server, what: &str) -> Held {
    let answer = change(server, &format!("{NOBODY}/{what}")).await;
    if answer.status == 501 {
        return Err(Unsupported(answer.to_string()));
    }
    answer.assert_status(404, what);
    Ok(())
}

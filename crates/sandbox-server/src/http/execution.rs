//! `/sessions/{sessionId}/code` and `/commands`: running things.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use sandbox_api::open::CommandStatus;
use sandbox_api::types as wire;

use super::App;
use super::caller::Caller;
use super::error::ApiError;
use super::heartbeat;
use super::json::Json;
use super::session_path::SessionPath;
use crate::backend::{Owner, SessionId};
use crate::service::{Ending, Execution, Language, Outcome};

pub(super) async fn code(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
    Json(request): Json<wire::ExecuteCodeRequest>,
) -> Result<Response, ApiError> {
    let language = match request.language {
        wire::Language::Python => Language::Python,
        wire::Language::Javascript => Language::JavaScript,
        wire::Language::Bash => Language::Bash,
    };
    let timeout = Duration::from_secs(request.timeout.get().into());
    run(
        app,
        owner,
        id,
        Execution::code(language, request.code.as_str(), timeout),
    )
    .await
}

pub(super) async fn command(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
    Json(request): Json<wire::ExecuteCommandRequest>,
) -> Result<Response, ApiError> {
    let env = request
        .env
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, value.into_string()));
    let timeout = Duration::from_secs(request.timeout.get().into());
    run(
        app,
        owner,
        id,
        Execution::command(request.command.into_string(), env.collect(), timeout)?,
    )
    .await
}

async fn run(app: App, owner: Owner, id: SessionId, execution: Execution) -> Result<Response, ApiError> {
    let work = async move { Ok(result(app.service.run(&owner, id, &execution).await?)) };
    heartbeat::answer(work, |error| result(Outcome::lost(&error.message))).await
}

fn result(outcome: Outcome) -> wire::CommandResult {
    let (status, exit_code) = match outcome.ending {
        Ending::Exited(0) => (CommandStatus::Completed, Some(0)),
        Ending::Exited(code) => (CommandStatus::Failed, Some(code)),
        Ending::TimedOut => (CommandStatus::Timeout, None),
        Ending::Lost => (CommandStatus::Failed, None),
    };
    wire::CommandResult {
        status,
        exit_code,
        stdout: outcome.stdout.text,
        stderr: outcome.stderr.text,
        stdout_truncated: outcome.stdout.truncated,
        stderr_truncated: outcome.stderr.truncated,
    }
}

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use sandbox_sessions::{ErrorKind, SessionId};
use serde_json::json;

use crate::api::Api;
use crate::arguments::Remove;
use crate::failure::Failure;
use crate::session_ref::SessionRef;
use crate::{exit, output, sessions};

/// Deletes all it can, and reports each that it could not.
pub(crate) async fn run(remove: &Remove, api: &Api) -> anyhow::Result<ExitCode> {
    let names = if remove.all {
        match confirmed(remove, api).await? {
            Some(names) => names,
            None => return Ok(ExitCode::SUCCESS),
        }
    } else {
        remove.sessions.clone()
    };
    let mut code = ExitCode::SUCCESS;
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for name in &names {
        let outcome = match name.resolve(&api.client).await {
            Ok(id) => delete(remove, api, id).await,
            Err(error) => Err(error),
        };
        match outcome.with_context(|| format!("cannot delete {name}")) {
            Ok(id) => deleted.push(id),
            Err(error) => {
                api.report(&error);
                code = exit::code(&error);
                failed.push(json!({ "session": name.to_string(), "error": format!("{error:#}") }));
            }
        }
    }
    if remove.json {
        output::json(&json!({ "deleted": deleted, "failed": failed }))?;
    }
    Ok(code)
}

/// With --all, a session that has ended meanwhile is what was asked for.
async fn delete(remove: &Remove, api: &Api, id: SessionId) -> anyhow::Result<SessionId> {
    match api.client.delete_session(&id).await {
        Err(error) if remove.all && error.kind() == ErrorKind::SessionNotFound => Ok(id),
        outcome => Ok(outcome.map(|()| id)?),
    }
}

/// All sessions, if that is what is wanted.
async fn confirmed(remove: &Remove, api: &Api) -> anyhow::Result<Option<Vec<SessionRef>>> {
    let ids: Vec<_> = sessions::all(&api.client)
        .await?
        .iter()
        .map(|session| SessionRef::Id(session.id()))
        .collect();
    if ids.is_empty() || remove.yes || ask(ids.len(), api).await? {
        return Ok(Some(ids));
    }
    output::message("nothing was deleted");
    Ok(None)
}

async fn ask(sessions: usize, api: &Api) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let failure = Failure::new(
            exit::USAGE,
            "there is nobody to ask whether to delete all sessions",
        );
        return Err(failure.with_hint("--yes deletes them without asking").into());
    }
    let noun = if sessions == 1 { "session" } else { "sessions" };
    output::question(&format!(
        "delete {sessions} {noun} of {}? [y/N] ",
        api.client.api_url()
    ));
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await??;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

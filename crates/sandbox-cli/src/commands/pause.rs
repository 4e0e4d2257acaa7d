//! `pause` and `resume`.

use std::process::ExitCode;

use sandbox_sessions::Session;

use crate::api::Api;
use crate::arguments::OneSession;
use crate::output;

pub(crate) async fn pause(pause: &OneSession, api: &Api) -> anyhow::Result<ExitCode> {
    let id = pause.session.resolve(&api.client).await?;
    report(pause, &api.client.pause_session(&id).await?)
}

pub(crate) async fn resume(resume: &OneSession, api: &Api) -> anyhow::Result<ExitCode> {
    let id = resume.session.resolve(&api.client).await?;
    report(resume, &api.client.resume_session(&id).await?)
}

fn report(arguments: &OneSession, session: &Session) -> anyhow::Result<ExitCode> {
    if arguments.json {
        output::json(session)?;
    }
    Ok(ExitCode::SUCCESS)
}

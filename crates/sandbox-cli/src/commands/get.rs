use std::process::ExitCode;

use chrono::{DateTime, Utc};
use sandbox_sessions::Session;

use super::list::status;
use crate::api::Api;
use crate::arguments::OneSession;
use crate::output::{self, Cell};

pub(crate) async fn run(get: &OneSession, api: &Api) -> anyhow::Result<ExitCode> {
    let id = get.session.resolve(&api.client).await?;
    let session = api.client.get_session(&id).await?;
    if get.json {
        output::json(&session)?;
    } else {
        describe(&session)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(session: &Session) -> anyhow::Result<()> {
    let time = |at: DateTime<Utc>| Cell::new(at.to_rfc3339());
    let mut rows = vec![
        [Cell::new("status"), status(session)],
        [Cell::new("created"), time(session.created_at())],
        [Cell::new("expires"), time(session.expires_at())],
    ];
    rows.extend(
        session
            .last_activity_at()
            .map(|at| [Cell::new("last activity"), time(at)]),
    );
    rows.extend(
        session
            .image()
            .map(|image| [Cell::new("image"), Cell::new(image)]),
    );
    if !session.metadata().is_empty() {
        let metadata = serde_json::to_string(session.metadata())?;
        rows.push([Cell::new("metadata"), Cell::new(metadata)]);
    }
    for line in output::table(["id", &session.id().to_string()], rows) {
        output::line(&line)?;
    }
    Ok(())
}

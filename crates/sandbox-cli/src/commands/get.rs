use std::process::ExitCode;

use sandbox_sessions::Session;

use crate::arguments::Get;
use crate::{connect, output};

pub(crate) async fn run(get: Get) -> anyhow::Result<ExitCode> {
    let session = connect::client(&get.connection)?
        .get_session(&get.session)
        .await?;
    if get.json {
        output::json(&session)?;
    } else {
        describe(&session)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(session: &Session) -> anyhow::Result<()> {
    let mut rows = vec![
        ("id", session.id().to_string()),
        ("status", session.status().to_string()),
        ("created", session.created_at().to_rfc3339()),
        ("expires", session.expires_at().to_rfc3339()),
    ];
    rows.extend(
        session
            .last_activity_at()
            .map(|at| ("last activity", at.to_rfc3339())),
    );
    rows.extend(session.image().map(|image| ("image", image.to_owned())));
    if !session.metadata().is_empty() {
        rows.push(("metadata", serde_json::to_string(session.metadata())?));
    }
    for (name, value) in rows {
        output::line(&format!("{name:14}{value}"))?;
    }
    Ok(())
}

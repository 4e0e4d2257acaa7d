use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};
use sandbox_sessions::{Session, SessionStatus};

use super::watch;
use crate::api::Api;
use crate::arguments::List;
use crate::output::{self, Cell};

pub(crate) async fn run(list: &List, api: &Api) -> anyhow::Result<ExitCode> {
    if list.watch {
        return watch::run(list, api).await;
    }
    let request = api.client.list_sessions();
    let page = request.limit(list.limit).offset(list.offset).await?;
    if list.json {
        output::json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in table(page.sessions()) {
        output::line(&line)?;
    }
    let shown = u64::from(list.offset) + page.sessions().len() as u64;
    if shown < page.total() {
        output::message(&format!(
            "{} of {}; --offset {shown} shows more",
            page.sessions().len(),
            page.total()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn table(sessions: &[Session]) -> Vec<String> {
    let rows = sessions.iter().map(row).collect();
    output::table(["ID", "STATUS", "CREATED", "EXPIRES"], rows)
}

fn row(session: &Session) -> [Cell; 4] {
    let time = |at: DateTime<Utc>| Cell::new(at.format("%Y-%m-%d %H:%M:%SZ"));
    [
        Cell::new(session.id()),
        status(session),
        time(session.created_at()),
        time(session.expires_at()),
    ]
}

pub(super) fn status(session: &Session) -> Cell {
    let style = match session.status() {
        SessionStatus::Running => AnsiColor::Green.on_default(),
        SessionStatus::Paused => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    };
    Cell::styled(session.status(), style)
}

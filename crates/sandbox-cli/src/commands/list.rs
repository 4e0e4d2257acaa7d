use std::process::ExitCode;

use sandbox_sessions::Session;

use crate::arguments::List;
use crate::{connect, output};

pub(crate) async fn run(list: List) -> anyhow::Result<ExitCode> {
    let client = connect::client(&list.connection)?;
    let page = client
        .list_sessions()
        .limit(list.limit)
        .offset(list.offset)
        .await?;
    if list.json {
        output::json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = page.sessions().iter().map(row).collect();
    output::table(["ID", "STATUS", "CREATED", "EXPIRES"], &rows)?;
    let shown = u64::from(list.offset) + rows.len() as u64;
    if shown < page.total() {
        output::message(&format!(
            "{} of {}; --offset {shown} shows more",
            rows.len(),
            page.total()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(session: &Session) -> [String; 4] {
    let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%SZ").to_string();
    [
        session.id().to_string(),
        session.status().to_string(),
        time(session.created_at()),
        time(session.expires_at()),
    ]
}

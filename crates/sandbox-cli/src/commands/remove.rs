use std::process::ExitCode;

use anyhow::Context;

use crate::arguments::Remove;
use crate::{connect, exit, output};

/// Deletes all it can, and reports each that it could not.
pub(crate) async fn run(remove: Remove) -> anyhow::Result<ExitCode> {
    let client = connect::client(&remove.connection)?;
    let mut code = ExitCode::SUCCESS;
    for id in &remove.sessions {
        let deleted = client
            .delete_session(id)
            .await
            .with_context(|| format!("cannot delete {id}"));
        if let Err(error) = deleted {
            output::error(&error);
            code = exit::code(&error);
        }
    }
    Ok(code)
}

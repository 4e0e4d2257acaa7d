//! What `run`, `exec` and `code` share: reading the code, and telling what came of it.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use sandbox_sessions::{CommandResult, CommandStatus, SessionId};

use crate::arguments::{CodeSource, Execution};
use crate::{exit, output};

pub(crate) async fn read_code(source: &CodeSource) -> anyhow::Result<String> {
    match (&source.code, &source.file) {
        (Some(code), _) => Ok(code.clone()),
        (None, Some(path)) if path.as_os_str() != "-" => read_file(path),
        _ => tokio::task::spawn_blocking(read_standard_input).await?,
    }
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_standard_input() -> anyhow::Result<String> {
    let mut code = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut code)
        .context("cannot read the code from standard input")?;
    Ok(code)
}

/// Prints what was printed, and says how it ended.
pub(crate) fn report(
    execution: &Execution,
    session: SessionId,
    result: &CommandResult,
) -> anyhow::Result<ExitCode> {
    if execution.json {
        let mut object = serde_json::to_value(result)?;
        if let Some(object) = object.as_object_mut() {
            object.insert("sessionId".to_owned(), session.to_string().into());
        }
        output::json(&object)?;
    } else {
        // As it is, byte for byte: it may be meant for a program.
        write_all(io::stdout().lock(), result.stdout())?;
        write_all(io::stderr().lock(), result.stderr())?;
    }
    for (cut, stream) in [
        (result.stdout_truncated(), "output"),
        (result.stderr_truncated(), "error output"),
    ] {
        if cut {
            output::message(&format!(
                "the {stream} was cut: it is longer than the server keeps"
            ));
        }
    }
    if *result.status() == CommandStatus::Timeout {
        output::message(&format!("timed out after {} s", execution.timeout));
        return Ok(ExitCode::from(exit::TIMED_OUT));
    }
    Ok(exit::of_code(result.exit_code()))
}

/// Writes the code's output. A reader that has seen enough (`head`) is no failure of ours.
fn write_all(mut out: impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

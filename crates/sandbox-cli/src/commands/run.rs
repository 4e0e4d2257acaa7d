use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::{CommandResult, CommandStatus, Session, SessionsClient};
use secrecy::ExposeSecret;

use crate::arguments::Run;
use crate::interrupt::Interrupts;
use crate::{connect, exit, output};

/// Runs the code in a session made for it. However it ends, what was made for it is taken down first.
pub(crate) async fn run(run: Run) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    if connect::is_named(&run.connection) {
        let client = connect::client(&run.connection)?;
        return in_session(&run, &client, &mut interrupts).await;
    }
    let (server, client) = own_server().await?;
    let outcome = in_session(&run, &client, &mut interrupts).await;
    server.shutdown().await;
    outcome
}

/// A server in this process. Its sessions end with it, also when it is killed.
async fn own_server() -> anyhow::Result<(Server, SessionsClient)> {
    let token = Tokens::generate();
    let config =
        ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir()).lifetime(Lifetime::Ephemeral);
    let server = Server::start(config)
        .await
        .context("cannot start a server on this machine")?;
    let client = SessionsClient::new(server.url(), token.secret().expose_secret())?;
    Ok((server, client))
}

async fn in_session(
    run: &Run,
    client: &SessionsClient,
    interrupts: &mut Interrupts,
) -> anyhow::Result<ExitCode> {
    let code = tokio::select! {
        code = read_code(run) => code?,
        code = interrupts.next() => return Ok(code),
    };
    let creating = create(run, client);
    tokio::pin!(creating);
    let session = tokio::select! {
        session = &mut creating => session?,
        interrupted = interrupts.next() => {
            // Letting go now could leave a session whose id nobody has learned. Who asks twice may have that.
            let session = tokio::select! {
                session = creating => session?,
                again = interrupts.next() => return Ok(again),
            };
            delete(&session).await;
            return Ok(interrupted);
        }
    };
    let outcome = tokio::select! {
        result = execute(run, &session, &code) => result.and_then(|result| report(run, &session, &result)),
        code = interrupts.next() => Ok(code),
    };
    delete(&session).await;
    outcome
}

/// What went wrong here is told, but the code's outcome is what counts.
async fn delete(session: &Session) {
    let deleted = session
        .delete()
        .await
        .context("the session was not deleted, and ends at its time to live");
    if let Err(error) = &deleted {
        output::error(error);
    }
}

async fn create(run: &Run, client: &SessionsClient) -> anyhow::Result<Session> {
    let mut request = client.create_session().ttl(run.ttl());
    if let Some(image) = &run.image {
        request = request.image(image);
    }
    Ok(request.await?)
}

async fn execute(run: &Run, session: &Session, code: &str) -> anyhow::Result<CommandResult> {
    let request = session.run_code(code).language(run.language().into());
    Ok(request.timeout(Duration::from_secs(run.timeout)).await?)
}

async fn read_code(run: &Run) -> anyhow::Result<String> {
    match (&run.code, &run.file) {
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

fn report(run: &Run, session: &Session, result: &CommandResult) -> anyhow::Result<ExitCode> {
    let timed_out = *result.status() == CommandStatus::Timeout;
    if run.json {
        let mut object = serde_json::to_value(result)?;
        if let Some(object) = object.as_object_mut() {
            object.insert("sessionId".to_owned(), session.id().to_string().into());
        }
        output::json(&object)?;
    } else {
        write_all(io::stdout().lock(), result.stdout())?;
        write_all(io::stderr().lock(), result.stderr())?;
    }
    for (cut, stream) in [
        (result.stdout_truncated(), "output"),
        (result.stderr_truncated(), "error output"),
    ] {
        if cut {
            output::message(&format!(
                "the code's {stream} was cut: it is longer than the server keeps"
            ));
        }
    }
    if timed_out {
        output::message(&format!("timed out after {} s", run.timeout));
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

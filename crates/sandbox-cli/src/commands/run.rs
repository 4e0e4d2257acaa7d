use std::process::ExitCode;

use anyhow::Context;
use sandbox_server::{ImageStore, Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::{CommandResult, Session, SessionsClient};
use secrecy::ExposeSecret;

use super::execution::{read_code, report};
use crate::api::Api;
use crate::arguments::Run;
use crate::interrupt::Interrupts;

/// Runs the code in a session made for it. However it ends, what was made for it is taken down first.
pub(crate) async fn run(run: &Run) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    if let Some(api) = Api::named(&run.connection)? {
        return api.told(in_session(run, &api, &mut interrupts).await);
    }
    let (server, client) = own_server(run).await?;
    let api = Api::own(client);
    let outcome = in_session(run, &api, &mut interrupts).await;
    server.shutdown().await;
    api.told(outcome)
}

/// A server in this process. Its sessions end with it, also when it is killed.
async fn own_server(run: &Run) -> anyhow::Result<(Server, SessionsClient)> {
    let token = Tokens::generate();
    let config =
        ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir()).lifetime(Lifetime::Ephemeral);
    // Whoever asks for no image needs no place for any.
    let images = run.image.as_ref().and(ServerConfig::default_image_store());
    let config = images
        .map(ImageStore::new)
        .into_iter()
        .fold(config, ServerConfig::images);
    let server = Server::start(config)
        .await
        .context("cannot start a server on this machine")?;
    let client = SessionsClient::new(server.url(), token.secret().expose_secret())?;
    Ok((server, client))
}

async fn in_session(run: &Run, api: &Api, interrupts: &mut Interrupts) -> anyhow::Result<ExitCode> {
    let code = tokio::select! {
        code = read_code(&run.code) => code?,
        code = interrupts.next() => return Ok(code),
    };
    let creating = create(run, &api.client);
    tokio::pin!(creating);
    let session = tokio::select! {
        session = &mut creating => session?,
        interrupted = interrupts.next() => {
            // Letting go now could leave a session whose id nobody has learned. Who asks twice may have that.
            let session = tokio::select! {
                session = creating => session?,
                again = interrupts.next() => return Ok(again),
            };
            delete(&session, api).await;
            return Ok(interrupted);
        }
    };
    let outcome = tokio::select! {
        result = execute(run, &session, &code) => result.and_then(|result| report(&run.execution, session.id(), &result)),
        code = interrupts.next() => Ok(code),
    };
    delete(&session, api).await;
    outcome
}

/// What went wrong here is told, but the code's outcome is what counts.
async fn delete(session: &Session, api: &Api) {
    let deleted = session
        .delete()
        .await
        .context("the session was not deleted, and ends at its time to live");
    if let Err(error) = &deleted {
        api.report(error);
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
    let request = session.run_code(code).language(run.code.language());
    Ok(request.timeout(run.execution.timeout()).await?)
}

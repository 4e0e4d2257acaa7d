use std::process::ExitCode;

use anyhow::Context;
use tokio::io::{AsyncWriteExt, copy, split, stdin, stdout};

use crate::api::Api;
use crate::arguments::Proxy;

/// Carries raw bytes between standard input, standard output and the session's SSH server.
pub(crate) async fn run(proxy: &Proxy, api: &Api) -> anyhow::Result<ExitCode> {
    let id = proxy.session.resolve(&api.client).await?;
    let tunnel = api.client.ssh(&id).open_tunnel().await?;
    let (mut from_session, mut to_session) = split(tunnel);
    let sending = tokio::spawn(async move {
        let (mut input, mut output) = (stdin(), &mut to_session);
        if copy(&mut input, &mut output).await.is_ok() {
            let _ = output.shutdown().await;
        }
        // Keeps its half open: the session may have more to say.
        std::future::pending::<()>().await;
    });
    let mut output = stdout();
    let received = copy(&mut from_session, &mut output).await;
    sending.abort();
    received.context("the tunnel to the session is lost")?;
    output.flush().await?;
    Ok(ExitCode::SUCCESS)
}

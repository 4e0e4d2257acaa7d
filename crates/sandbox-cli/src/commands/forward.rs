use std::process::ExitCode;

use super::ssh::login;
use crate::api::Api;
use crate::arguments::Forward;
use crate::interrupt::Interrupts;
use crate::output;

/// Listens until a signal says to stop.
pub(crate) async fn run(forward: &Forward, api: &Api) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let id = forward.session.resolve(&api.client).await?;
    let ssh = login(&api.client, id, forward.login.identity.as_deref()).await?;
    let mut open = Vec::new();
    for ports in &forward.ports {
        let local = ssh.forward_local(ports.remote).listen(ports.local).await?;
        open.push((local, ports.remote));
    }
    // Not before all of them are open: who reads a line goes on.
    for (local, remote) in &open {
        output::line(&format!("{} -> {remote}", local.local_address()))?;
    }
    Ok(interrupts.next().await)
}

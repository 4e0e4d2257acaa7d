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
    let ssh = login(&api.client, id, &forward.login).await?;
    let mut open = Vec::new();
    for ports in &forward.ports {
        let local = ssh.forward_local(ports.remote).listen(ports.local).await?;
        output::line(&format!("{} -> {}", local.local_address(), ports.remote))?;
        open.push(local);
    }
    Ok(interrupts.next().await)
}

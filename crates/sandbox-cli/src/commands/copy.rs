use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use sandbox_sessions::SessionSshClient;
use serde_json::json;
use tokio::time::timeout;

use super::ssh::login;
use crate::api::Api;
use crate::arguments::{Copy, Place};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::settings::shown;
use crate::transfer::{Kind, Meter, Transfer, resumable};
use crate::{exit, output};

/// How long taking away an unfinished copy may keep somebody waiting who has interrupted it.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Copies, and says how much. However it ends, nothing of an unfinished copy is left.
pub(crate) async fn run(copy: &Copy, api: &Api) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let session = match (&copy.from, &copy.to) {
        (Place::Local(_), Place::Remote { session, .. })
        | (Place::Remote { session, .. }, Place::Local(_)) => session,
        _ => {
            let failure = Failure::new(
                exit::USAGE,
                "one of the two is a path of this machine, the other ID:PATH",
            );
            return Err(failure
                .with_hint("between sessions, copy to this machine first")
                .into());
        }
    };
    let id = session.resolve(&api.client).await?;
    let meter = Meter::new(&name(&copy.from));
    let transfer = Transfer::new(&api.client, id, meter.clone());
    let transmitting = async {
        if copy.resume {
            let ssh = login(&api.client, id, copy.identity.as_deref()).await?;
            resume(copy, &transfer, &ssh, &meter).await
        } else {
            transmit(copy, &transfer).await
        }
    };
    let outcome = tokio::select! {
        bytes = transmitting => bytes.map(Ok),
        code = interrupts.next() => Ok(Err(code)),
    };
    meter.finish();
    let _ = timeout(CLEAN_UP, transfer.clean_up()).await;
    match outcome? {
        Ok(bytes) if copy.json => output::json(&json!({ "sessionId": id, "bytes": bytes }))?,
        Ok(_) => {}
        Err(interrupted) => return Ok(interrupted),
    }
    Ok(ExitCode::SUCCESS)
}

/// The last part of what is copied.
fn name(place: &Place) -> String {
    let path = match place {
        Place::Local(path) => path,
        Place::Remote { path, .. } => Path::new(path),
    };
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

async fn transmit(copy: &Copy, transfer: &Transfer<'_>) -> anyhow::Result<u64> {
    match (&copy.from, &copy.to) {
        (Place::Local(local), Place::Remote { path, .. }) => {
            let target = remote_target(transfer, local, path).await?;
            transfer.upload(local, &target).await
        }
        (Place::Remote { path, .. }, Place::Local(local)) => {
            let kind = transfer.look(path).await?;
            transfer.download(kind, path, &local_target(path, local)?).await
        }
        _ => bail!("a copy has one end on this machine and one in a session"),
    }
}

/// As [`transmit`], over SSH. A folder that an interrupted copy has left is not one to copy into.
async fn resume(
    copy: &Copy,
    transfer: &Transfer<'_>,
    ssh: &SessionSshClient,
    meter: &Meter,
) -> anyhow::Result<u64> {
    match (&copy.from, &copy.to) {
        (Place::Local(local), Place::Remote { path, .. }) => {
            let target = if local.is_dir() && !path.ends_with('/') {
                path.clone()
            } else {
                remote_target(transfer, local, path).await?
            };
            resumable::upload(ssh, local, &target, meter).await
        }
        (Place::Remote { path, .. }, Place::Local(local)) => {
            let is_folder = transfer.look(path).await? == Kind::Folder;
            let target = if is_folder && !local.as_os_str().as_encoded_bytes().ends_with(b"/") {
                local.clone()
            } else {
                local_target(path, local)?
            };
            resumable::download(ssh, path, &target, meter).await
        }
        _ => bail!("a copy has one end on this machine and one in a session"),
    }
}

/// In a folder that is there or that is asked for by a slash, under the name it has here; otherwise under its new name.
async fn remote_target(transfer: &Transfer<'_>, local: &Path, remote: &str) -> anyhow::Result<String> {
    let folder = remote.trim_end_matches('/');
    if !remote.ends_with('/') && transfer.look(remote).await? != Kind::Folder {
        return Ok(remote.to_owned());
    }
    let name = match local.components().next_back() {
        Some(Component::Normal(name)) => name.to_owned(),
        // Such as `.`, which has a name all the same.
        _ => std::fs::canonicalize(local)
            .with_context(|| format!("cannot read {}", shown(local)))?
            .file_name()
            .map(OsStr::to_owned)
            .with_context(|| format!("{} has no name; say which one the copy gets", shown(local)))?,
    };
    let name = name.to_str().with_context(|| {
        format!(
            "the name of {} is not UTF-8; say which one the copy gets",
            shown(local)
        )
    })?;
    Ok(format!("{folder}/{name}"))
}

/// As for the other direction. The name is that which was asked for, not one that the session gives.
fn local_target(remote: &str, local: &Path) -> anyhow::Result<PathBuf> {
    if !local.is_dir() {
        if local.as_os_str().as_encoded_bytes().ends_with(b"/") {
            bail!("there is no folder {}", shown(local));
        }
        return Ok(local.to_owned());
    }
    match Path::new(remote).components().next_back() {
        Some(Component::Normal(name)) => Ok(local.join(name)),
        _ => bail!("{remote} has no name; say which one the copy gets"),
    }
}

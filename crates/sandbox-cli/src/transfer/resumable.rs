//! Copies over SSH, which are gone on with after an interruption.

use std::path::Path;

use sandbox_sessions::SessionSshClient;
use sandbox_sessions::ssh::{TransferProgress, Transferred};

use super::Meter;
use crate::output;
use crate::settings::shown;

pub(crate) async fn upload(
    ssh: &SessionSshClient,
    local: &Path,
    remote: &str,
    meter: &Meter,
) -> anyhow::Result<u64> {
    let copying = ssh.upload(local, remote).resume(true).progress(observer(meter));
    Ok(told(copying.await?))
}

pub(crate) async fn download(
    ssh: &SessionSshClient,
    remote: &str,
    local: &Path,
    meter: &Meter,
) -> anyhow::Result<u64> {
    if local
        .symlink_metadata()
        .is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
    {
        anyhow::bail!("{} is there and is neither a file nor a folder", shown(local));
    }
    let copying = ssh.download(remote, local).resume(true).progress(observer(meter));
    Ok(told(copying.await?))
}

fn observer(meter: &Meter) -> impl Fn(TransferProgress) + Send + Sync + 'static {
    let meter = meter.clone();
    move |progress| meter.reached(progress.bytes, progress.total_bytes)
}

fn told(done: Transferred) -> u64 {
    if done.skipped > 0 {
        output::message(&format!(
            "left out, being neither files nor folders: {}",
            done.skipped
        ));
    }
    done.bytes
}

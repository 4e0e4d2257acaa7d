//! Whole folders, as archives.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sandbox_sessions::FileContent;
use tokio::sync::mpsc;

use super::archive::{self, Skipped};
use super::pieces::{Incoming, Outgoing, WAITING};
use super::{Kind, Transfer, failed, parent};
use crate::output;
use crate::settings::shown;

/// How long the session's own part may take: as long as the API lets a command run.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// Unpacks beside the target, so that the last step is a rename.
const UNPACK: &str = r#"
    set -eu
    parent=${TARGET%/*}
    mkdir -p -- "$parent/"
    place=$(mktemp -d -- "$parent/.sandbox-cp-XXXXXX")
    trap 'rm -rf -- "$place" "$ARCHIVE"' EXIT
    tar -xf "$ARCHIVE" -C "$place"
    if [ -e "$TARGET" ] || [ -L "$TARGET" ]; then echo "$TARGET is there already" >&2; exit 1; fi
    mv -T -- "$place/folder" "$TARGET""#;

const PACK: &str = r#"umask 077; tar --format=gnu -cf "$ARCHIVE" -C "$SOURCE" ."#;

/// tar's exit code when a file changed while it was read.
const CHANGED: i32 = 1;

pub(super) async fn upload(transfer: &Transfer<'_>, local: &Path, remote: &str) -> anyhow::Result<()> {
    if transfer.look(remote).await? != Kind::Missing {
        bail!("{remote} is there already; a folder is not copied over something else");
    }
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let root = local.to_owned();
    let packing = thread::spawn(move || pack(&root, sender));
    let meter = transfer.meter.clone();
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
    let pieces =
        pieces.inspect(move |piece: &io::Result<Bytes>| meter.add(piece.as_ref().map_or(0, Bytes::len)));
    transfer.has_archive.store(true, Ordering::Relaxed);
    let content = FileContent::stream(pieces);
    transfer
        .client
        .upload_file(&transfer.id, &transfer.archive, content)
        .await?;
    tell(&joined(packing)?);
    let variables = [("ARCHIVE", transfer.archive.as_str()), ("TARGET", remote)];
    let result = transfer.shell(UNPACK, &variables).await?;
    if !result.success() {
        return Err(failed("unpack the folder", &result));
    }
    transfer.has_archive.store(false, Ordering::Relaxed);
    Ok(())
}

/// What goes wrong here ends the upload, whose error then says so.
fn pack(root: &Path, sender: mpsc::Sender<io::Result<Bytes>>) -> io::Result<Skipped> {
    let mut out = Outgoing::new(sender.clone());
    let packed = archive::pack(root, &mut out).and_then(|skipped| out.flush().map(|()| skipped));
    packed.inspect_err(|error| {
        let _ = sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
    })
}

pub(super) async fn download(transfer: &Transfer<'_>, remote: &str, local: &Path) -> anyhow::Result<()> {
    check_free(local)?;
    transfer.has_archive.store(true, Ordering::Relaxed);
    let variables = [("ARCHIVE", transfer.archive.as_str()), ("SOURCE", remote)];
    let result = transfer.shell(PACK, &variables).await?;
    match result.exit_code() {
        Some(0) => {}
        Some(CHANGED) => output::message(&format!(
            "{:#}",
            failed("read all of the folder unchanged", &result)
        )),
        _ => return Err(failed("pack the folder", &result)),
    }
    let mut download = transfer
        .client
        .download_file(&transfer.id, &transfer.archive)
        .await?;
    if let Some(length) = download.length() {
        transfer.meter.expect(length);
    }
    let unpacking = Unpacking::start(local);
    while let Some(piece) = download.chunk().await? {
        transfer.meter.add(piece.len());
        if !unpacking.feed(piece).await {
            break;
        }
    }
    tell(&unpacking.finish()?);
    Ok(())
}

/// A folder takes the place of nothing.
fn check_free(local: &Path) -> anyhow::Result<()> {
    if local.symlink_metadata().is_ok() {
        bail!(
            "{} is there already; a folder is not copied over something else",
            shown(local)
        );
    }
    Ok(())
}

/// A thread that unpacks what it is fed beside the target and renames it in the end. Dropped before, it leaves nothing.
struct Unpacking {
    /// Closed to end the archive.
    sender: Option<mpsc::Sender<Bytes>>,
    thread: Option<JoinHandle<anyhow::Result<Skipped>>>,
    /// Whether everything was fed. Otherwise what was unpacked is not to be kept.
    complete: Arc<AtomicBool>,
}

impl Unpacking {
    fn start(local: &Path) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let complete = Arc::<AtomicBool>::default();
        let (local, is_complete) = (local.to_owned(), Arc::clone(&complete));
        let thread = thread::spawn(move || {
            unpack(&local, Incoming::new(receiver), || {
                is_complete.load(Ordering::Acquire)
            })
        });
        Self {
            sender: Some(sender),
            thread: Some(thread),
            complete,
        }
    }

    /// Whether the thread wants more; otherwise [`finish`](Self::finish) says why not.
    async fn feed(&self, piece: Bytes) -> bool {
        match &self.sender {
            Some(sender) => sender.send(piece).await.is_ok(),
            None => false,
        }
    }

    fn finish(mut self) -> anyhow::Result<Skipped> {
        self.complete.store(true, Ordering::Release);
        self.sender = None;
        self.thread.take().map_or_else(|| Ok(Skipped::default()), joined)
    }
}

/// Waits for the thread, whose temporary folder would outlive the process otherwise. It ends soon: it gets nothing more.
impl Drop for Unpacking {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn unpack(local: &Path, archive: Incoming, is_complete: impl Fn() -> bool) -> anyhow::Result<Skipped> {
    let unwritable = || format!("cannot write {}", shown(local));
    let place = tempfile::Builder::new()
        .prefix(".sandbox-cp-")
        .tempdir_in(parent(local))
        .with_context(unwritable)?;
    let root: PathBuf = place.path().join("folder");
    let skipped = archive::unpack(archive, &root).with_context(unwritable)?;
    if !is_complete() {
        bail!("the folder did not arrive completely");
    }
    check_free(local)?;
    std::fs::rename(&root, local).with_context(unwritable)?;
    Ok(skipped)
}

fn joined<T, E: Into<anyhow::Error>>(thread: JoinHandle<Result<T, E>>) -> anyhow::Result<T> {
    match thread.join() {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => bail!("a thread of this command failed"),
    }
}

fn tell(skipped: &Skipped) {
    if let Some(text) = skipped.describe() {
        output::message(&text);
    }
}

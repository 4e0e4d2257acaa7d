//! Files and folders on their way into a session and out of it.
//!
//! A file goes over the API as it is. A folder, for which the API knows no listing, goes as an archive: made or unpacked
//! inside the session by its `tar`, and on this machine by [`archive`], which trusts nothing that comes out of a
//! session. Either way it appears under its name when it is complete, and not before. What is to be resumed goes over SSH.

mod archive;
mod folder;
mod meter;
mod pieces;
pub(crate) mod resumable;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, anyhow, bail};
use futures_util::TryStreamExt;
use sandbox_sessions::{CommandResult, FileContent, SessionId, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

pub(crate) use meter::Meter;

use crate::exit;
use crate::failure::Failure;
use crate::settings::shown;

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// What a path inside the session is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File {
        executable: bool,
    },
    Folder,
    Missing,
    /// A device and the like.
    Other,
}

/// Copies to and from one session. Paths inside it are absolute.
pub(crate) struct Transfer<'a> {
    client: &'a SessionsClient,
    id: SessionId,
    meter: Meter,
    /// The path inside the session of the archive, for the time of a copy.
    archive: String,
    has_archive: AtomicBool,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(client: &'a SessionsClient, id: SessionId, meter: Meter) -> Self {
        let archive = format!("/tmp/.sandbox-cp-{}.tar", uuid::Uuid::new_v4().simple());
        Self {
            client,
            id,
            meter,
            archive,
            has_archive: AtomicBool::new(false),
        }
    }

    pub(crate) async fn look(&self, path: &str) -> anyhow::Result<Kind> {
        const LOOK: &str = r#"
            if [ -d "$SOURCE" ]; then echo folder
            elif [ -f "$SOURCE" ] && [ -x "$SOURCE" ]; then echo executable
            elif [ -f "$SOURCE" ]; then echo file
            elif [ -e "$SOURCE" ] || [ -L "$SOURCE" ]; then echo other
            else echo missing; fi"#;
        let result = self.shell(LOOK, &[("SOURCE", path)]).await?;
        match result.stdout().trim() {
            "folder" => Ok(Kind::Folder),
            "executable" => Ok(Kind::File { executable: true }),
            "file" => Ok(Kind::File { executable: false }),
            "other" => Ok(Kind::Other),
            "missing" => Ok(Kind::Missing),
            _ => Err(failed(&format!("look at {path}"), &result)),
        }
    }

    /// Copies a file of this machine, or a folder. Returns the number of bytes sent.
    pub(crate) async fn upload(&self, local: &Path, remote: &str) -> anyhow::Result<u64> {
        let unreadable = || format!("cannot read {}", shown(local));
        let metadata = tokio::fs::metadata(local).await.with_context(unreadable)?;
        if metadata.is_dir() {
            folder::upload(self, local, remote).await?;
        } else if metadata.is_file() {
            let file = tokio::fs::File::open(local).await.with_context(unreadable)?;
            let length = metadata.len();
            self.meter.expect(length);
            let meter = self.meter.clone();
            let pieces = ReaderStream::with_capacity(file.take(length), PIECE);
            let content =
                FileContent::sized_stream(length, pieces.inspect_ok(move |piece| meter.add(piece.len())));
            let request = self.client.upload_file(&self.id, remote, content);
            request.overwrite(true).await?;
            if metadata.permissions().mode() & 0o111 != 0 {
                self.make_executable(remote).await?;
            }
        } else {
            bail!("{} is neither a file nor a folder", shown(local));
        }
        Ok(self.meter.bytes())
    }

    async fn make_executable(&self, path: &str) -> anyhow::Result<()> {
        let result = self
            .shell(r#"chmod +x -- "$TARGET""#, &[("TARGET", path)])
            .await?;
        if result.success() {
            Ok(())
        } else {
            Err(failed(&format!("make {path} executable"), &result))
        }
    }

    /// Copies what is at `remote`, which was [looked at](Self::look). Returns the number of bytes received.
    pub(crate) async fn download(&self, kind: Kind, remote: &str, local: &Path) -> anyhow::Result<u64> {
        match kind {
            Kind::Folder => folder::download(self, remote, local).await?,
            Kind::File { executable } => self.download_file(remote, executable, local).await?,
            Kind::Missing => {
                let message = format!("there is no {remote} in session {}", self.id);
                return Err(Failure::new(exit::NOT_THERE, message).into());
            }
            Kind::Other => bail!("{remote} is neither a file nor a folder"),
        }
        Ok(self.meter.bytes())
    }

    async fn download_file(&self, remote: &str, executable: bool, local: &Path) -> anyhow::Result<()> {
        let target = final_place(local)?;
        let mut download = self.client.download_file(&self.id, remote).await?;
        if let Some(length) = download.length() {
            self.meter.expect(length);
        }
        let unwritable = || format!("cannot write {}", shown(local));
        // Beside its final place, so that the last step is a rename. Dropped before that, it is removed.
        let temporary = tempfile::Builder::new()
            .prefix(".sandbox-cp-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(parent(&target))
            .with_context(unwritable)?;
        let mut file = tokio::fs::File::from_std(temporary.as_file().try_clone()?);
        while let Some(piece) = download.chunk().await? {
            file.write_all(&piece).await.with_context(unwritable)?;
            self.meter.add(piece.len());
        }
        file.flush().await.with_context(unwritable)?;
        if executable {
            let mode = temporary.as_file().metadata()?.permissions().mode();
            // For everybody who may read it.
            let mode = mode | (mode & 0o444) >> 2;
            temporary
                .as_file()
                .set_permissions(Permissions::from_mode(mode))?;
        }
        temporary.persist(&target).with_context(unwritable)?;
        Ok(())
    }

    /// Removes what the session holds of an unfinished copy. There is nobody to tell if that fails: it ends with the
    /// session.
    pub(crate) async fn clean_up(&self) {
        if self.has_archive.swap(false, Ordering::Relaxed) {
            let _ = self
                .shell(r#"rm -f -- "$ARCHIVE""#, &[("ARCHIVE", &self.archive)])
                .await;
        }
    }

    /// Runs a script with variables, which need no quoting.
    async fn shell(
        &self,
        script: &str,
        variables: &[(&str, &str)],
    ) -> Result<CommandResult, sandbox_sessions::Error> {
        let request = self.client.run_command(&self.id, script);
        let request = variables
            .iter()
            .fold(request, |request, (name, value)| request.env(*name, *value));
        request.timeout(folder::PATIENCE).await
    }
}

/// What a command in the session said of its failure, in printable characters.
fn failed(what: &str, result: &CommandResult) -> anyhow::Error {
    const SHOWN: usize = 500;
    let said: String = result
        .stderr()
        .trim()
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let said = if said.is_empty() {
        format!("the command's status is {}", result.status())
    } else {
        said
    };
    anyhow!(said).context(format!("cannot {what} in the session"))
}

/// Where a file is put in the end: behind a link, since a link is another name for what it leads to. Only a file can be
/// replaced by a file; a device of this machine, say, is not.
fn final_place(local: &Path) -> anyhow::Result<PathBuf> {
    match fs::metadata(local) {
        Ok(metadata) if metadata.is_file() => Ok(fs::canonicalize(local)?),
        Ok(_) => bail!("{} is there and is not a file", shown(local)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(local.to_owned()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", shown(local))),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

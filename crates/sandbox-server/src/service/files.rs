//! Moving files in and out, over SFTP on a connection of their own: reading slowly then holds back exactly this file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, SubsecRound, Utc};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use sandbox_tunnel::{Create, ErrorKind as SshKind, FileKind, Metadata, Sftp, SftpFile, SshClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use uuid::Uuid;

use super::error::{Error, ErrorKind, Result};
use super::remote_path::RemotePath;

/// How long a sender may pause. Whoever has gone away without a word must not keep a connection for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// A file inside a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileInfo {
    pub(crate) path: RemotePath,
    pub(crate) size: u64,
    pub(crate) modified_at: DateTime<Utc>,
}

/// A file on its way out.
pub(crate) struct Download {
    pub(crate) path: RemotePath,
    /// In bytes; the content is exactly as long, or ends in an error.
    pub(crate) size: u64,
    pub(crate) content: BoxStream<'static, io::Result<Bytes>>,
}

/// What a file is to be written from.
pub(crate) struct Upload<S> {
    pub(crate) path: RemotePath,
    /// Whether a file of that name is replaced; otherwise it is an error.
    pub(crate) overwrite: bool,
    pub(crate) content: S,
    /// In bytes.
    pub(crate) limit: u64,
}

/// Writes a file: under another name first, so that the file is there completely or not at all. Dropping the future
/// leaves nothing behind.
pub(super) async fn upload<S>(client: SshClient, upload: Upload<S>) -> Result<FileInfo>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    let sftp = client.sftp().await.map_err(|error| failed(&upload.path, error))?;
    check_target(&sftp, &upload.path, upload.overwrite).await?;
    let (temporary, mut file) = Temporary::create(sftp, &upload.path).await?;
    let written = async {
        write(&mut file, &upload.path, upload.content, upload.limit).await?;
        temporary.publish(&upload.path, upload.overwrite).await
    };
    match written.await {
        Ok(info) => {
            temporary.forget();
            Ok(info)
        }
        Err(error) => {
            temporary.remove().await;
            Err(error)
        }
    }
}

/// Opens a regular file for reading.
pub(super) async fn download(client: SshClient, path: RemotePath) -> Result<Download> {
    let sftp = client.sftp().await.map_err(|error| failed(&path, error))?;
    let metadata = sftp
        .metadata(path.as_str())
        .await
        .map_err(|error| failed(&path, error))?;
    match metadata.kind {
        FileKind::File => {}
        FileKind::Directory => return Err(path.refused("is a directory")),
        _ => return Err(path.refused("is not a regular file")),
    }
    let file = sftp
        .open(path.as_str())
        .await
        .map_err(|error| failed(&path, error))?;
    // What was opened may be another file than what was looked at.
    let size = file.metadata().await.map_err(|error| failed(&path, error))?.size;
    Ok(Download {
        path,
        size,
        content: content(sftp, file, size).boxed(),
    })
}

fn content(sftp: Sftp, file: SftpFile, size: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    // The session's connection lives as long as its handle.
    stream::try_unfold((sftp, file, size), |(sftp, mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        // What was appended meanwhile is not part of the announced length.
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left.saturating_sub(piece.len() as u64);
        Ok(Some((piece.freeze(), (sftp, file, left))))
    })
}

async fn check_target(sftp: &Sftp, path: &RemotePath, overwrite: bool) -> Result<()> {
    match sftp.metadata(path.as_str()).await {
        Ok(Metadata {
            kind: FileKind::Directory,
            ..
        }) => Err(path.refused("is a directory")),
        Ok(_) if !overwrite => Err(exists(path)),
        // Whatever is wrong with the path comes up when the file is made.
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn write(
    file: &mut SftpFile,
    path: &RemotePath,
    mut content: impl Stream<Item = Result<Bytes>> + Unpin,
    limit: u64,
) -> Result<()> {
    let mut size = 0u64;
    loop {
        let piece = timeout(PATIENCE, content.next()).await.map_err(|_| {
            Error::invalid(
                "body",
                format!("nothing more of it arrived within {} s", PATIENCE.as_secs()),
            )
        })?;
        let Some(piece) = piece.transpose()? else { break };
        size = size.saturating_add(piece.len() as u64);
        if size > limit {
            return Err(too_large(limit));
        }
        file.write_all(&piece)
            .await
            .map_err(|error| not_written(path, error))?;
    }
    // Only this reports the failures of the writes that are still under way.
    file.shutdown().await.map_err(|error| not_written(path, error))
}

/// The file while it is incomplete. Dropping it removes it, some time later.
struct Temporary {
    sftp: Arc<Sftp>,
    path: String,
    is_there: bool,
}

impl Temporary {
    /// Beside the final path, on the same file system, so that it can be renamed. Makes missing folders.
    async fn create(sftp: Sftp, path: &RemotePath) -> Result<(Self, SftpFile)> {
        let beside = if path.parent() == "/" { "" } else { path.parent() };
        let temporary = format!("{beside}/.upload-{}", Uuid::new_v4().as_simple());
        let file = match sftp.create(&temporary, Create::New).await {
            Err(error) if error.kind() == SshKind::NotFound => {
                sftp.create_dir_all(path.parent())
                    .await
                    .map_err(|error| not_created(path, error))?;
                sftp.create(&temporary, Create::New).await
            }
            created => created,
        };
        let file = file.map_err(|error| not_created(path, error))?;
        let sftp = Arc::new(sftp);
        Ok((
            Self {
                sftp,
                path: temporary,
                is_there: true,
            },
            file,
        ))
    }

    /// Gives the complete file its name.
    async fn publish(&self, path: &RemotePath, overwrite: bool) -> Result<FileInfo> {
        let metadata = self
            .sftp
            .metadata(&self.path)
            .await
            .map_err(|error| failed(path, error))?;
        if overwrite {
            let replaced = self.sftp.replace(&self.path, path.as_str()).await;
            replaced.map_err(|error| not_replaced(path, error))?;
        } else if let Err(error) = self.sftp.rename(&self.path, path.as_str()).await {
            // The protocol has no code for a name that is taken.
            return match self.sftp.symlink_metadata(path.as_str()).await {
                Ok(_) => Err(exists(path)),
                Err(_) => Err(failed(path, error)),
            };
        }
        let modified_at = metadata
            .modified
            .map_or_else(Utc::now, DateTime::from)
            .trunc_subsecs(3);
        Ok(FileInfo {
            path: path.clone(),
            size: metadata.size,
            modified_at,
        })
    }

    /// It has got its name.
    fn forget(mut self) {
        self.is_there = false;
    }

    async fn remove(mut self) {
        // Once begun, it is done: here, or by whoever drops this while it waits.
        remove(&self.sftp, &self.path).await;
        self.is_there = false;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.is_there, tokio::runtime::Handle::try_current()) {
            let (sftp, path) = (self.sftp.clone(), std::mem::take(&mut self.path));
            runtime.spawn(async move { remove(&sftp, &path).await });
        }
    }
}

async fn remove(sftp: &Sftp, path: &str) {
    if let Err(error) = sftp.remove_file(path).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "an incomplete file stays in its session"
        );
    }
}

pub(crate) fn too_large(limit: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the body is larger than {limit} bytes"),
    )
    .detail("limit", limit)
}

fn exists(path: &RemotePath) -> Error {
    Error::new(ErrorKind::FileExists, format!("{path} exists already"))
}

fn lost(path: &RemotePath) -> Error {
    Error::unavailable(format!("the session ended before {path} was complete"))
}

fn failed(path: &RemotePath, error: sandbox_tunnel::Error) -> Error {
    if is_disk_full(&error) {
        return disk_full(path).caused_by(error);
    }
    match error.kind() {
        SshKind::NotFound => Error::new(ErrorKind::FileNotFound, format!("there is no file {path}")),
        SshKind::PermissionDenied => path.refused("may not be used by the session's user"),
        SshKind::Failure | SshKind::AlreadyExists => path.refused("cannot be used"),
        _ => Error::unavailable("the session's agent does not answer"),
    }
    .caused_by(error)
}

/// What is missing is not the caller's file then, but a place for it.
fn not_created(path: &RemotePath, error: sandbox_tunnel::Error) -> Error {
    match error.kind() {
        SshKind::NotFound => path.refused("cannot be made").caused_by(error),
        _ => failed(path, error),
    }
}

/// The protocol does not say why. Whatever it is, it is about what has the name.
fn not_replaced(path: &RemotePath, error: sandbox_tunnel::Error) -> Error {
    match error.kind() {
        SshKind::Failure => path.refused("cannot be replaced").caused_by(error),
        _ => failed(path, error),
    }
}

fn not_written(path: &RemotePath, error: io::Error) -> Error {
    if is_disk_full(&error) {
        disk_full(path).caused_by(error)
    } else {
        lost(path).caused_by(error)
    }
}

fn disk_full(path: &RemotePath) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("{path} is larger than what is left of the session's disk"),
    )
}

/// SFTP has no code for it: the words of the error that the agent passes on are all there is.
fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let words = ["No space left on device", "Disk quota exceeded"];
    std::iter::successors(Some(error), |error| (*error).source())
        .any(|error| words.iter().any(|words| error.to_string().contains(words)))
}

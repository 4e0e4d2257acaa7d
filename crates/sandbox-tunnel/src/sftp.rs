//! Files over SFTP (protocol version 3).

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use russh::{ChannelStream, client::Msg};
use russh_sftp::{
    client::{Config, RawSftpSession, SftpSession, error::Error as SftpError, fs},
    extensions::HardlinkExtension,
    protocol::{FileAttributes, FileType, OpenFlags, Packet, StatusCode},
    ser,
};
use tokio::{
    io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf},
    sync::OnceCell,
    time::timeout,
};

use crate::{
    Error, ErrorKind, Phase, SshClient,
    config::MAX_PACKET,
    ending::{AwaitedEnd, Ending},
};

/// An SFTP session: its own channel, many requests at once.
///
/// Paths are the server's; the sandbox agent takes relative ones from `/workspace`. They are text: names of
/// files that are not UTF-8 cannot be expressed.
///
/// Clones share the session.
///
/// ```no_run
/// use sandbox_tunnel::{Create, FileKind};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), Box<dyn std::error::Error>> {
/// let sftp = client.sftp().await?;
/// sftp.create_dir_all("data/2026").await?;
/// sftp.create_dir("data/2027").await?;
///
/// let mut draft = sftp.create("data/2026/draft.txt", Create::New).await?;
/// draft.write_all(b"hello\n").await?;
/// draft.shutdown().await?;
/// sftp.replace("data/2026/draft.txt", "data/2026/notes.txt").await?;
/// sftp.set_permissions("data/2026/notes.txt", 0o644).await?;
/// assert_eq!(sftp.metadata("data/2026/notes.txt").await?.size, 6);
///
/// sftp.symlink("2026", "data/now").await?;
/// assert_eq!(sftp.read_link("data/now").await?, "2026");
/// assert_eq!(sftp.symlink_metadata("data/now").await?.kind, FileKind::Symlink);
/// println!("{}", sftp.canonicalize("data/now").await?);
///
/// let mut text = String::new();
/// sftp.open("data/now/notes.txt").await?.read_to_string(&mut text).await?;
/// for entry in sftp.read_dir("data").await? {
///     println!("{}", entry.name);
/// }
///
/// sftp.rename("data/2026", "data/2025").await?;
/// sftp.remove_dir("data/2027").await?;
/// sftp.remove_file("data/now").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sftp(Arc<Inner>);

struct Inner {
    session: SftpSession,
    ending: Ending,
    // Keeps the connection alive.
    client: SshClient,
    /// For what the library's session cannot say; opened when it is needed.
    extended: OnceCell<(RawSftpSession, Ending)>,
}

/// An open file. Reads and writes are pipelined.
///
/// Call [`shutdown`](tokio::io::AsyncWriteExt::shutdown) after writing: only it reports the failures of
/// writes that are still under way. Dropping closes the file without waiting.
///
/// ```no_run
/// use std::io::SeekFrom;
/// use sandbox_tunnel::Create;
/// use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
///
/// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), Box<dyn std::error::Error>> {
/// let mut script = sftp.create("run.sh", Create::Truncate).await?;
/// script.write_all(b"#!/bin/sh\necho hello\n").await?;
/// script.set_permissions(0o755).await?;
/// script.shutdown().await?;
///
/// let mut log = sftp.open("build.log").await?;
/// let size = log.metadata().await?.size;
/// log.seek(SeekFrom::Start(size.saturating_sub(1024))).await?;
/// let mut end = Vec::new();
/// log.read_to_end(&mut end).await?;
/// # Ok(())
/// # }
/// ```
pub struct SftpFile {
    file: fs::File,
    ending: Ending,
    end: AwaitedEnd,
}

/// What to do about a file of the same name.
///
/// ```no_run
/// use sandbox_tunnel::{Create, ErrorKind};
///
/// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
/// match sftp.create("lock", Create::New).await {
///     Err(error) if error.kind() == ErrorKind::AlreadyExists => eprintln!("somebody was faster"),
///     lock => drop(lock?),
/// }
/// let log = sftp.create("build.log", Create::Truncate).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Fail with [`ErrorKind::AlreadyExists`].
    New,
    /// Empty it and write over it.
    Truncate,
    /// Keep what is in it, to be read and written over.
    Keep,
}

/// What the server says about a file.
///
/// ```no_run
/// use sandbox_tunnel::FileKind;
///
/// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
/// let script = sftp.metadata("run.sh").await?;
/// println!("{} bytes, changed {:?}", script.size, script.modified);
/// if script.kind == FileKind::File && script.permissions & 0o111 == 0 {
///     eprintln!("it cannot be executed");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// What kind of file it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// When its contents last changed, to the second; `None` if the server does not say.
    pub modified: Option<SystemTime>,
    /// Permission bits (`0o7777` at most).
    pub permissions: u32,
}

/// The kinds of files that matter to a reader.
///
/// ```no_run
/// use sandbox_tunnel::FileKind;
///
/// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
/// let entries = sftp.read_dir(".").await?;
/// let folders = entries.iter().filter(|entry| entry.metadata.kind == FileKind::Directory).count();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket, a device.
    Other,
}

/// One entry of a directory.
///
/// ```no_run
/// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
/// let mut entries = sftp.read_dir("results").await?;
/// entries.sort_by(|a, b| a.name.cmp(&b.name));
/// for entry in entries {
///     println!("{:>12} {}", entry.metadata.size, entry.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirEntry {
    /// Its name, without the directory's.
    pub name: String,
    /// What the server says about it (about a link itself, not about what it points to).
    pub metadata: Metadata,
}

impl Sftp {
    pub(crate) async fn start(client: &SshClient) -> Result<Self, Error> {
        let (stream, ending) = Ending::of(subsystem(client).await?);
        let session = started(client, SftpSession::new_with_config(stream, config(client))).await?;
        Ok(Self(Arc::new(Inner {
            session,
            ending,
            client: client.clone(),
            extended: OnceCell::new(),
        })))
    }

    /// The answer to a call of the session.
    async fn answer<T>(&self, call: impl Future<Output = Result<T, SftpError>>) -> Result<T, Error> {
        self.0.ending.or(call).await.map_err(failed)
    }

    fn file(&self, file: fs::File) -> SftpFile {
        SftpFile {
            file,
            ending: self.0.ending.clone(),
            end: self.0.ending.awaited(),
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// Where there is no such file, or it may not be read.
    pub async fn open(&self, path: &str) -> Result<SftpFile, Error> {
        let file = self.answer(self.0.session.open(path)).await?;
        Ok(self.file(file))
    }

    /// Makes a file and opens it for writing.
    ///
    /// # Errors
    ///
    /// Where it cannot be made, or exists and must not.
    pub async fn create(&self, path: &str, create: Create) -> Result<SftpFile, Error> {
        let flags = OpenFlags::WRITE
            | OpenFlags::CREATE
            | match create {
                Create::New => OpenFlags::EXCLUDE,
                Create::Truncate => OpenFlags::TRUNCATE,
                Create::Keep => OpenFlags::READ,
            };
        let opening = self.0.session.open_with_flags(path, flags);
        match self.0.ending.or(opening).await {
            Ok(file) => Ok(self.file(file)),
            // Version 3 of the protocol has no code for "exists already".
            Err(error) if create == Create::New && self.symlink_metadata(path).await.is_ok() => {
                Err(Error::caused_by(Phase::Sftp, ErrorKind::AlreadyExists, error))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// What a path, followed through links, leads to.
    ///
    /// # Errors
    ///
    /// Where it leads nowhere.
    pub async fn metadata(&self, path: &str) -> Result<Metadata, Error> {
        let attributes = self.answer(self.0.session.metadata(path)).await?;
        Ok(attributes.into())
    }

    /// What a path itself is, which may be a link.
    ///
    /// # Errors
    ///
    /// Where there is no such file.
    pub async fn symlink_metadata(&self, path: &str) -> Result<Metadata, Error> {
        let attributes = self.answer(self.0.session.symlink_metadata(path)).await?;
        Ok(attributes.into())
    }

    /// The entries of a directory, without `.` and `..`, in no particular order.
    ///
    /// # Errors
    ///
    /// Where it is no directory, or may not be read.
    pub async fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>, Error> {
        let entries = self.answer(self.0.session.read_dir(path)).await?;
        Ok(entries
            .map(|entry| DirEntry {
                name: entry.file_name(),
                metadata: entry.metadata().into(),
            })
            .collect())
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// Where it cannot be made, or exists.
    pub async fn create_dir(&self, path: &str) -> Result<(), Error> {
        self.answer(self.0.session.create_dir(path)).await
    }

    /// Makes a directory and those above it, as far as they are missing.
    ///
    /// # Errors
    ///
    /// Where one of them cannot be made, or is no directory.
    pub async fn create_dir_all(&self, path: &str) -> Result<(), Error> {
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .filter(|at| *at > 0)
            .chain([path.len()]);
        let mut outcome = Ok(());
        for end in ends {
            let Some(parent) = path.get(..end).filter(|parent| !parent.is_empty()) else {
                continue;
            };
            // Also fails where it exists, so only the outcome for the last one counts.
            outcome = self.create_dir(parent).await;
        }
        match outcome {
            Err(error) => match self.metadata(path).await {
                Ok(Metadata {
                    kind: FileKind::Directory,
                    ..
                }) => Ok(()),
                _ => Err(error),
            },
            Ok(()) => Ok(()),
        }
    }

    /// Gives a file or directory a new name, which must not be taken.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.answer(self.0.session.rename(from, to)).await
    }

    /// Gives a file a new name, in place of whatever file has it, in one step. The server has to know OpenSSH's
    /// extension `posix-rename`, as the sandbox agent does.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn replace(&self, from: &str, to: &str) -> Result<(), Error> {
        let (extended, ending) = self
            .0
            .extended
            .get_or_try_init(|| extended(&self.0.client))
            .await?;
        // The same two strings.
        let names = HardlinkExtension {
            oldpath: from.to_owned(),
            newpath: to.to_owned(),
        };
        let names = ser::to_bytes(&names)
            .map_err(|error| Error::caused_by(Phase::Sftp, ErrorKind::Protocol, error))?;
        let renaming = extended.extended(POSIX_RENAME, names.to_vec());
        match ending.or(renaming).await.map_err(failed)? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(failed(SftpError::Status(status))),
            _ => Err(failed(SftpError::UnexpectedPacket)),
        }
    }

    /// Removes anything but a directory.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn remove_file(&self, path: &str) -> Result<(), Error> {
        self.answer(self.0.session.remove_file(path)).await
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// Where it cannot, or is not empty.
    pub async fn remove_dir(&self, path: &str) -> Result<(), Error> {
        self.answer(self.0.session.remove_dir(path)).await
    }

    /// Makes a symbolic link at `link` that says `target`.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn symlink(&self, target: &str, link: &str) -> Result<(), Error> {
        // OpenSSH put the two into the opposite order of the specification, and every server followed.
        self.answer(self.0.session.symlink(target, link)).await
    }

    /// What a symbolic link says.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub async fn read_link(&self, path: &str) -> Result<String, Error> {
        self.answer(self.0.session.read_link(path)).await
    }

    /// The absolute path that a path, followed through links, leads to.
    ///
    /// # Errors
    ///
    /// Where it leads nowhere.
    pub async fn canonicalize(&self, path: &str) -> Result<String, Error> {
        self.answer(self.0.session.canonicalize(path)).await
    }

    /// Sets the permission bits of a file.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn set_permissions(&self, path: &str, permissions: u32) -> Result<(), Error> {
        self.answer(self.0.session.set_metadata(path, attributes(permissions)))
            .await
    }

    /// Sets when a file was last changed, in seconds since 1970.
    pub(crate) async fn set_modified(&self, path: &str, seconds: u32) -> Result<(), Error> {
        let times = FileAttributes {
            atime: Some(seconds),
            mtime: Some(seconds),
            ..FileAttributes::empty()
        };
        self.answer(self.0.session.set_metadata(path, times)).await
    }
}

impl SftpFile {
    /// What the server says about the open file.
    ///
    /// # Errors
    ///
    /// Where the connection ended.
    pub async fn metadata(&self) -> Result<Metadata, Error> {
        let attributes = self.ending.or(self.file.metadata()).await.map_err(failed)?;
        Ok(attributes.into())
    }

    /// Sets the permission bits of the open file.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn set_permissions(&self, permissions: u32) -> Result<(), Error> {
        self.set(attributes(permissions)).await
    }

    /// Cuts the open file off behind `size` bytes.
    pub(crate) async fn set_size(&self, size: u64) -> Result<(), Error> {
        let size = FileAttributes {
            size: Some(size),
            ..FileAttributes::empty()
        };
        self.set(size).await
    }

    async fn set(&self, attributes: FileAttributes) -> Result<(), Error> {
        let setting = self.file.set_metadata(attributes);
        self.ending.or(setting).await.map_err(failed)
    }
}

const POSIX_RENAME: &str = "posix-rename@openssh.com";

async fn subsystem(client: &SshClient) -> Result<ChannelStream<Msg>, Error> {
    let channel = client.open_channel().await?;
    let refused = |error| Error::ssh(Phase::Start, error);
    channel.request_subsystem(false, "sftp").await.map_err(refused)?;
    Ok(channel.into_stream())
}

fn config(client: &SshClient) -> Config {
    Config {
        request_timeout_secs: client.timeouts().sftp_request.as_secs().max(1),
        // One packet of SSH each, and a mebibyte under way: half of what the agent takes without being read.
        max_write_packet_len: MAX_PACKET,
        max_concurrent_writes: 16,
        ..Config::default()
    }
}

async fn started<T>(
    client: &SshClient,
    starting: impl Future<Output = Result<T, SftpError>>,
) -> Result<T, Error> {
    timeout(client.timeouts().start, starting)
        .await
        .map_err(|_| Error::new(Phase::Start, ErrorKind::TimedOut))?
        .map_err(|error| Error::caused_by(Phase::Start, ErrorKind::Disconnected, error))
}

async fn extended(client: &SshClient) -> Result<(RawSftpSession, Ending), Error> {
    let (stream, ending) = Ending::of(subsystem(client).await?);
    let session = RawSftpSession::new_with_config(stream, config(client));
    started(client, session.init()).await?;
    Ok((session, ending))
}

/// What it means that reading or writing an open file failed.
pub(crate) fn transfer_failed(error: std::io::Error) -> Error {
    match error.downcast::<SftpError>() {
        Ok(error) => failed(error),
        // The library keeps the server's words alone.
        Err(error) => Error::caused_by(Phase::Sftp, ErrorKind::Failure, error),
    }
}

fn failed(error: SftpError) -> Error {
    let kind = match &error {
        SftpError::Status(status) => match status.status_code {
            StatusCode::NoSuchFile => ErrorKind::NotFound,
            StatusCode::PermissionDenied => ErrorKind::PermissionDenied,
            StatusCode::OpUnsupported => ErrorKind::Unsupported,
            StatusCode::NoConnection | StatusCode::ConnectionLost => ErrorKind::Disconnected,
            StatusCode::BadMessage => ErrorKind::Protocol,
            StatusCode::Ok | StatusCode::Eof | StatusCode::Failure => ErrorKind::Failure,
        },
        // The library keeps to the limits that the server announced.
        SftpError::Limited(_) => ErrorKind::Failure,
        SftpError::Timeout => ErrorKind::TimedOut,
        SftpError::IO(_) | SftpError::UnexpectedBehavior(_) => ErrorKind::Disconnected,
        SftpError::UnexpectedPacket => ErrorKind::Protocol,
    };
    Error::caused_by(Phase::Sftp, kind, error)
}

fn attributes(permissions: u32) -> FileAttributes {
    FileAttributes {
        permissions: Some(permissions & 0o7777),
        ..FileAttributes::empty()
    }
}

impl From<FileAttributes> for Metadata {
    fn from(attributes: FileAttributes) -> Self {
        let seconds = |seconds: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into());
        Self {
            kind: match attributes.file_type() {
                FileType::File => FileKind::File,
                FileType::Dir => FileKind::Directory,
                FileType::Symlink => FileKind::Symlink,
                FileType::Other => FileKind::Other,
            },
            size: attributes.size.unwrap_or(0),
            modified: attributes.mtime.map(seconds),
            permissions: attributes.permissions.unwrap_or(0) & 0o7777,
        }
    }
}

impl AsyncRead for SftpFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.file).poll_read(cx, buf);
        this.end.or(polled, cx)
    }
}

impl AsyncWrite for SftpFile {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.file).poll_write(cx, bytes);
        this.end.or(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.file).poll_flush(cx);
        this.end.or(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.file).poll_shutdown(cx);
        this.end.or(polled, cx)
    }
}

impl AsyncSeek for SftpFile {
    fn start_seek(mut self: Pin<&mut Self>, position: std::io::SeekFrom) -> std::io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<u64>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.file).poll_complete(cx);
        this.end.or(polled, cx)
    }
}

impl fmt::Debug for Sftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sftp").finish_non_exhaustive()
    }
}

impl fmt::Debug for SftpFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SftpFile").finish_non_exhaustive()
    }
}

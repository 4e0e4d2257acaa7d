use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sandbox_tunnel::{Create, DirEntry, Metadata, Sftp, SftpFile};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::Error;
use crate::error::from_tunnel_error;

/// The files of a session, over SFTP.
///
/// Relative paths start at `/workspace`. Everything is done in the session, as its user: no link leads out of it.
/// Clones share the connection, which ends with the last of them.
///
/// ```no_run
/// use sandbox_sessions::ssh::Create;
/// use tokio::io::AsyncWriteExt;
///
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), Box<dyn std::error::Error>> {
/// let sftp = ssh.sftp().await?;
/// sftp.create_dir_all("data/2026").await?;
/// let mut file = sftp.create("data/2026/notes.txt", Create::New).await?;
/// file.write_all(b"hello\n").await?;
/// file.shutdown().await?;
/// for entry in sftp.read_dir("data/2026").await? {
///     println!("{} {}", entry.name, entry.metadata.size);
/// }
/// # Ok(())
/// # }
/// ```
///
/// Files have names, kinds and permissions, and links:
///
/// ```no_run
/// use sandbox_sessions::ssh::FileKind;
///
/// # async fn example(sftp: sandbox_sessions::ssh::SessionSftp) -> Result<(), sandbox_sessions::Error> {
/// sftp.create_dir("releases").await?;
/// sftp.symlink("releases/2", "next").await?;
/// assert_eq!(sftp.read_link("next").await?, "releases/2");
/// assert_eq!(sftp.symlink_metadata("next").await?.kind, FileKind::Symlink);
/// sftp.replace("next", "current").await?; // in one step, whatever `current` was
///
/// sftp.set_permissions("run.sh", 0o755).await?;
/// assert_eq!(sftp.metadata("run.sh").await?.permissions, 0o755);
/// sftp.rename("run.sh", "start.sh").await?;
/// println!("{}", sftp.canonicalize("start.sh").await?);
///
/// sftp.remove_file("start.sh").await?;
/// sftp.remove_dir("releases").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// All of its methods fail with [`ErrorKind::Operation`](crate::ErrorKind::Operation) when the session's SFTP server
/// says no, with the codes `FILE_NOT_FOUND`, `FILE_EXISTS`, `PERMISSION_DENIED` and `UNSUPPORTED` where they fit, and
/// with [`Connection`](crate::ErrorKind::Connection) or [`Timeout`](crate::ErrorKind::Timeout) when it does not answer.
#[derive(Debug, Clone)]
pub struct SessionSftp(Sftp);

/// An open file of a session: reads and writes are pipelined.
///
/// Call [`shutdown`](tokio::io::AsyncWriteExt::shutdown) after writing: only it reports the failures of writes that are
/// still under way. Dropping it closes the file without waiting.
///
/// ```no_run
/// use sandbox_sessions::ssh::Create;
/// use std::io::SeekFrom;
/// use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
///
/// # async fn example(sftp: sandbox_sessions::ssh::SessionSftp) -> Result<(), Box<dyn std::error::Error>> {
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
#[derive(Debug)]
pub struct SessionSftpFile(SftpFile);

impl SessionSftp {
    pub(super) fn new(sftp: Sftp) -> Self {
        Self(sftp)
    }

    pub(super) fn inner(&self) -> &Sftp {
        &self.0
    }

    /// Opens a file for reading.
    ///
    /// ```no_run
    /// use tokio::io::AsyncReadExt;
    ///
    /// # async fn example(sftp: sandbox_sessions::ssh::SessionSftp) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut text = String::new();
    /// sftp.open("data/notes.txt").await?.read_to_string(&mut text).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where there is no such file, or it may not be read. So [the others](Self#errors).
    pub async fn open(&self, path: &str) -> Result<SessionSftpFile, Error> {
        self.0
            .open(path)
            .await
            .map(SessionSftpFile)
            .map_err(from_tunnel_error)
    }

    /// Makes a file and opens it for writing.
    ///
    /// # Errors
    ///
    /// Where it cannot be made, or exists and must not.
    pub async fn create(&self, path: &str, create: Create) -> Result<SessionSftpFile, Error> {
        let file = self.0.create(path, create).await;
        file.map(SessionSftpFile).map_err(from_tunnel_error)
    }

    /// What a path, followed through links, leads to.
    ///
    /// # Errors
    ///
    /// Where it leads nowhere.
    pub async fn metadata(&self, path: &str) -> Result<Metadata, Error> {
        self.0.metadata(path).await.map_err(from_tunnel_error)
    }

    /// What a path itself is, which may be a link.
    ///
    /// # Errors
    ///
    /// Where there is no such file.
    pub async fn symlink_metadata(&self, path: &str) -> Result<Metadata, Error> {
        self.0.symlink_metadata(path).await.map_err(from_tunnel_error)
    }

    /// What is in a directory, in no particular order.
    ///
    /// # Errors
    ///
    /// Where it is no directory, or may not be read.
    pub async fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>, Error> {
        self.0.read_dir(path).await.map_err(from_tunnel_error)
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// Where it cannot be made, or exists.
    pub async fn create_dir(&self, path: &str) -> Result<(), Error> {
        self.0.create_dir(path).await.map_err(from_tunnel_error)
    }

    /// Makes a directory and those above it, as far as they are missing.
    ///
    /// # Errors
    ///
    /// Where one of them cannot be made, or is no directory.
    pub async fn create_dir_all(&self, path: &str) -> Result<(), Error> {
        self.0.create_dir_all(path).await.map_err(from_tunnel_error)
    }

    /// Gives a file or directory a new name, which must not be taken.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.0.rename(from, to).await.map_err(from_tunnel_error)
    }

    /// Gives a file a new name, in place of whatever file has it, in one step.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn replace(&self, from: &str, to: &str) -> Result<(), Error> {
        self.0.replace(from, to).await.map_err(from_tunnel_error)
    }

    /// Removes anything but a directory.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn remove_file(&self, path: &str) -> Result<(), Error> {
        self.0.remove_file(path).await.map_err(from_tunnel_error)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// Where it cannot, or is not empty.
    pub async fn remove_dir(&self, path: &str) -> Result<(), Error> {
        self.0.remove_dir(path).await.map_err(from_tunnel_error)
    }

    /// Makes a symbolic link at `link` that says `target`.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn symlink(&self, target: &str, link: &str) -> Result<(), Error> {
        self.0.symlink(target, link).await.map_err(from_tunnel_error)
    }

    /// What a symbolic link says.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub async fn read_link(&self, path: &str) -> Result<String, Error> {
        self.0.read_link(path).await.map_err(from_tunnel_error)
    }

    /// The absolute path that a path, followed through links, leads to.
    ///
    /// # Errors
    ///
    /// Where it leads nowhere.
    pub async fn canonicalize(&self, path: &str) -> Result<String, Error> {
        self.0.canonicalize(path).await.map_err(from_tunnel_error)
    }

    /// Sets the permission bits of a file.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn set_permissions(&self, path: &str, permissions: u32) -> Result<(), Error> {
        self.0
            .set_permissions(path, permissions)
            .await
            .map_err(from_tunnel_error)
    }
}

impl SessionSftpFile {
    /// What the server says about the open file.
    ///
    /// # Errors
    ///
    /// Where the connection ended.
    pub async fn metadata(&self) -> Result<Metadata, Error> {
        self.0.metadata().await.map_err(from_tunnel_error)
    }

    /// Sets the permission bits of the open file.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn set_permissions(&self, permissions: u32) -> Result<(), Error> {
        self.0
            .set_permissions(permissions)
            .await
            .map_err(from_tunnel_error)
    }
}

impl AsyncRead for SessionSftpFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for SessionSftpFile {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncSeek for SessionSftpFile {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.0).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.0).poll_complete(cx)
    }
}

use std::future::IntoFuture;
use std::path::PathBuf;

use sandbox_tunnel::{TransferOptions, TransferProgress, Transferred};

use super::{SessionSshClient, sftp::SessionSftp};
use crate::Error;
use crate::error::from_tunnel_error;
use crate::requests::RequestFuture;

/// A file or a folder to be copied to a session, made by [`SessionSshClient::upload`]; awaiting it copies.
///
/// The remote path is the one the copy will have, relative ones starting at `/workspace`; for a file it may also be a
/// folder that is there, or end with a slash. What is in a folder is added to what the remote one has. Missing folders
/// are made, links in a folder stay links. A file appears under its name when it is complete, in place of one that was
/// there. Many small files go side by side.
///
/// ```no_run
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let done = ssh
///     .upload("project", "/workspace/project")
///     .progress(|progress| println!("{} of {} bytes", progress.bytes, progress.total_bytes))
///     .await?;
/// println!("{} files", done.files);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is no such local file;
/// [`Operation`](crate::ErrorKind::Operation) when a file cannot be read or written on either side, with the codes
/// `FILE_NOT_FOUND`, `FILE_EXISTS` and `PERMISSION_DENIED` where they fit; [`Connection`](crate::ErrorKind::Connection)
/// and [`Timeout`](crate::ErrorKind::Timeout). What was complete stays.
#[derive(Debug)]
#[must_use = "nothing is copied until this is awaited"]
pub struct SshUpload {
    ssh: SessionSshClient,
    local: PathBuf,
    remote: String,
    options: TransferOptions,
}

/// A file or a folder to be copied from a session, made by [`SessionSshClient::download`]; awaiting it copies.
///
/// The local path is the one the copy will have; for a file it may also be a folder that is there. What is in a folder
/// is added to what the local one has. A file appears under its name when it is complete, in place of one that was
/// there. The session is not trusted: nothing is written outside the local path, and links in a folder are left out.
///
/// ```no_run
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// ssh.download("/workspace/out.csv", "out.csv").await?;
/// # Ok(())
/// # }
/// ```
///
/// The setters are those of an [upload](SshUpload):
///
/// ```no_run
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let done = ssh
///     .download("/workspace/results", "results")
///     .keep_permissions(false)
///     .progress(|progress| eprintln!("{} of {} files", progress.files, progress.total_files))
///     .await?;
/// println!("{} files, {} left out", done.files, done.skipped);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`SshUpload`].
#[derive(Debug)]
#[must_use = "nothing is copied until this is awaited"]
pub struct SshDownload {
    ssh: SessionSshClient,
    remote: String,
    local: PathBuf,
    options: TransferOptions,
}

impl SshUpload {
    pub(super) fn new(ssh: SessionSshClient, local: PathBuf, remote: String) -> Self {
        Self {
            ssh,
            local,
            remote,
            options: TransferOptions::new(),
        }
    }

    /// Whether the copies have the permissions of their originals (default), as far as reading, writing and executing.
    ///
    /// ```no_run
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// ssh.upload("private", "/workspace/shared").keep_permissions(false).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_permissions(mut self, keep: bool) -> Self {
        self.options = self.options.keep_permissions(keep);
        self
    }

    /// Whether to go on where an earlier transfer of the same, with this set as well, was interrupted (not by default).
    ///
    /// Files that have arrived are passed over, and an incomplete one is continued: an interrupted transfer leaves it
    /// beside its target, as `.upload-…` or `.download-…`, where it waits for the next one. Interrupted is a transfer
    /// that was dropped, or that lost its connection; after any other failure nothing is left.
    ///
    /// A source is taken for the same as long as its path, its size and the second of its last change are; and before
    /// an incomplete file is continued, the last 64 KiB that count are compared on both sides. One that has changed is
    /// copied from its beginning. To be known again a copy has the time of its original. Of an incomplete file the last
    /// 8 MiB are copied once more: they were under way, and not every server writes in order.
    ///
    /// A file appears under its name when it is complete, as ever. Two transfers of the same file to the same place at
    /// the same time get into each other's way, and one of them fails.
    ///
    /// ```no_run
    /// use sandbox_sessions::ErrorKind;
    ///
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let done = loop {
    ///     let ssh = session.ssh().await?;
    ///     match ssh.upload("model.bin", "/workspace/model.bin").resume(true).await {
    ///         Err(error) if error.kind() == ErrorKind::Connection => {}
    ///         outcome => break outcome?,
    ///     }
    /// };
    /// println!("{} of {} bytes had arrived before", done.resumed_bytes, done.bytes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, resume: bool) -> Self {
        self.options = self.options.resume(resume);
        self
    }

    /// Calls `observer` whenever something has gone over. The copying waits for it.
    pub fn progress(mut self, observer: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        self.options = self.options.progress(observer);
        self
    }
}

impl SshDownload {
    pub(super) fn new(ssh: SessionSshClient, remote: String, local: PathBuf) -> Self {
        Self {
            ssh,
            remote,
            local,
            options: TransferOptions::new(),
        }
    }

    /// Whether the copies have the permissions of their originals (default), as far as reading, writing and executing.
    pub fn keep_permissions(mut self, keep: bool) -> Self {
        self.options = self.options.keep_permissions(keep);
        self
    }

    /// Whether to go on where an earlier transfer of the same was interrupted; see [`SshUpload::resume`].
    ///
    /// ```no_run
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// let done = ssh.download("/workspace/results", "results").resume(true).await?;
    /// println!("{} bytes were here already", done.resumed_bytes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, resume: bool) -> Self {
        self.options = self.options.resume(resume);
        self
    }

    /// Calls `observer` whenever something has gone over. The copying waits for it.
    pub fn progress(mut self, observer: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        self.options = self.options.progress(observer);
        self
    }
}

impl IntoFuture for SshUpload {
    type Output = Result<Transferred, Error>;
    type IntoFuture = RequestFuture<Transferred>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let sftp: SessionSftp = self.ssh.sftp().await?;
            let done = sftp
                .inner()
                .upload(&self.local, &self.remote, &self.options)
                .await;
            done.map_err(|error| from_tunnel_error(error).during("upload over SSH"))
        })
    }
}

impl IntoFuture for SshDownload {
    type Output = Result<Transferred, Error>;
    type IntoFuture = RequestFuture<Transferred>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let sftp: SessionSftp = self.ssh.sftp().await?;
            let done = sftp
                .inner()
                .download(&self.remote, &self.local, &self.options)
                .await;
            done.map_err(|error| from_tunnel_error(error).during("download over SSH"))
        })
    }
}

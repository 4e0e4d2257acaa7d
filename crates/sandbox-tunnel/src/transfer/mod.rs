//! Files and folders between this machine and the server, over SFTP.

mod download;
mod local;
mod permissions;
mod resume;
mod tally;
mod upload;

use std::{fmt, path::Path, sync::Arc};

use crate::{Error, Sftp};
use tally::Tally;

/// Files under way at the same time. Small ones take round trips, which overlap then.
const PARALLEL: usize = 64;

/// Bytes of a file that are read and written at once.
const PIECE: usize = 256 << 10;

/// How to transfer.
///
/// ```
/// use sandbox_tunnel::TransferOptions;
///
/// let options = TransferOptions::new()
///     .keep_permissions(false)
///     .progress(|progress| eprintln!("{} of {} bytes", progress.bytes, progress.total_bytes));
/// ```
#[derive(Clone)]
#[must_use]
pub struct TransferOptions {
    keep_permissions: bool,
    resume: bool,
    progress: Option<Arc<Observer>>,
}

type Observer = dyn Fn(TransferProgress) + Send + Sync;

/// How far a transfer has come.
///
/// ```
/// use sandbox_tunnel::TransferProgress;
///
/// fn percent(progress: TransferProgress) -> u64 {
///     (progress.bytes * 100).checked_div(progress.total_bytes).unwrap_or(100)
/// }
/// assert_eq!(percent(TransferProgress::default()), 100); // of nothing
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// Files that have arrived.
    pub files: u64,
    /// Bytes that have been sent or received, also of files that have not arrived yet.
    pub bytes: u64,
    /// Those of the bytes that an interrupted transfer had brought already, see [`TransferOptions::resume`].
    pub resumed_bytes: u64,
    /// Files there are.
    pub total_files: u64,
    /// Bytes there are, as far as it was known when the transfer began.
    pub total_bytes: u64,
}

/// What a transfer has done.
///
/// ```no_run
/// use sandbox_tunnel::TransferOptions;
///
/// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
/// let done = sftp.download("results", "results", &TransferOptions::new()).await?;
/// println!("{} files, {} bytes, {} left out", done.files, done.bytes, done.skipped);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// Files that have arrived.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of the bytes that an interrupted transfer had brought already, see [`TransferOptions::resume`].
    pub resumed_bytes: u64,
    /// What was left out: links (when downloading), FIFOs, sockets and devices.
    pub skipped: u64,
}

impl TransferOptions {
    /// Permissions are kept, nothing is resumed, and nobody is told how it goes.
    pub fn new() -> Self {
        Self {
            keep_permissions: true,
            resume: false,
            progress: None,
        }
    }

    /// Whether a file has the permission bits of its original (default), or those that new files have. Never more than
    /// read, write and execute: bits that change who a program runs as stay behind.
    pub fn keep_permissions(mut self, keep: bool) -> Self {
        self.keep_permissions = keep;
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
    /// use sandbox_tunnel::{ErrorKind, TransferOptions};
    ///
    /// # async fn connect() -> Result<sandbox_tunnel::Sftp, sandbox_tunnel::Error> { unimplemented!() }
    /// # async fn example() -> Result<(), sandbox_tunnel::Error> {
    /// let options = TransferOptions::new().resume(true);
    /// let done = loop {
    ///     let sftp = connect().await?;
    ///     match sftp.download("/workspace/model.bin", "model.bin", &options).await {
    ///         Err(error) if error.kind() == ErrorKind::Disconnected => {}
    ///         outcome => break outcome?,
    ///     }
    /// };
    /// println!("{} of {} bytes had come before", done.resumed_bytes, done.bytes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Calls `observer` whenever something has gone over. It should return soon: the transfer waits for it.
    pub fn progress(mut self, observer: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(observer));
        self
    }
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl Sftp {
    /// Copies a file, or a folder with all that is in it, to the server.
    ///
    /// `remote` is the path the copy will have, but for a file it may also be a folder that is there, or end with a
    /// slash: the copy then keeps its name. What is in a folder is added to what the remote one has. Missing folders
    /// are made. A file appears under its name when it is complete, in place of one that was there; links in a folder
    /// are copied as links.
    ///
    /// Dropping the future stops it; what was complete stays, and an incomplete file is removed soon after, unless it is
    /// to be [resumed](TransferOptions::resume).
    ///
    /// ```no_run
    /// use sandbox_tunnel::TransferOptions;
    ///
    /// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
    /// sftp.upload("project", "/workspace/project", &TransferOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first one, of whichever file; it says the [`path`](Error::path). Those of this machine's files are of
    /// [`Phase::LocalFile`](crate::Phase::LocalFile).
    pub async fn upload(
        &self,
        local: impl AsRef<Path>,
        remote: &str,
        options: &TransferOptions,
    ) -> Result<Transferred, Error> {
        upload::upload(self, local.as_ref(), remote, options).await
    }

    /// Copies a file, or a folder with all that is in it, to this machine.
    ///
    /// `local` is the path the copy will have, but for a file it may also be a folder that is there: the copy then
    /// keeps its name. What is in a folder is added to what the local one has. Missing folders are made. A file appears
    /// under its name when it is complete, in place of one that was there.
    ///
    /// The server is not trusted: nothing is written outside `local`, and links in a folder are left out.
    ///
    /// Dropping the future stops it; what was complete stays.
    ///
    /// ```no_run
    /// use sandbox_tunnel::TransferOptions;
    ///
    /// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
    /// sftp.download("/workspace/out.csv", "out.csv", &TransferOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`upload`](Self::upload).
    pub async fn download(
        &self,
        remote: &str,
        local: impl AsRef<Path>,
        options: &TransferOptions,
    ) -> Result<Transferred, Error> {
        download::download(self, remote, local.as_ref(), options).await
    }
}

impl fmt::Debug for TransferOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferOptions")
            .field("keep_permissions", &self.keep_permissions)
            .field("resume", &self.resume)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

//! Files and folders of this machine.

use std::{
    fs,
    io::{self, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use tokio::{
    io::{AsyncSeekExt, AsyncWriteExt},
    task::spawn_blocking,
};

use super::{
    PIECE, permissions,
    resume::{self, Version},
};
use crate::{Error, SftpFile, sftp::transfer_failed};

/// What there is below a folder, each path relative to it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// A folder comes before what is in it.
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    pub(super) bytes: u64,
    pub(super) skipped: u64,
}

impl Tree {
    /// Everything below `root`. Links are not followed.
    pub(super) async fn of(root: &Path) -> Result<Self, Error> {
        let root = root.to_owned();
        blocking(&root.clone(), move || {
            let mut tree = Self::default();
            tree.add(&root, Path::new(""))?;
            Ok(tree)
        })
        .await
    }

    fn add(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, folder.join(entry.file_name()));
            if kind.is_dir() {
                self.folders.push(path.clone());
                self.add(root, &path)?;
            } else if kind.is_file() {
                self.bytes += entry.metadata()?.len();
                self.files.push(path);
            } else if kind.is_symlink() {
                self.links.push((path.clone(), fs::read_link(root.join(&path))?));
            } else {
                self.skipped += 1;
            }
        }
        Ok(())
    }
}

/// Opens a regular file for reading; anything else could keep its reader waiting for ever.
pub(super) async fn open(path: &Path) -> Result<(tokio::fs::File, fs::Metadata), Error> {
    let opened = path.to_owned();
    let (file, metadata) = blocking(path, move || {
        // Opening a FIFO would wait for a writer already.
        if !fs::metadata(&opened)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = fs::File::open(opened)?;
        let metadata = file.metadata()?;
        Ok((file, metadata))
    })
    .await?;
    Ok((buffered(file), metadata))
}

/// The version of the file that a path leads to, if it leads to one.
pub(super) async fn version(path: &Path) -> Option<Version> {
    let metadata = tokio::fs::metadata(path)
        .await
        .ok()
        .filter(fs::Metadata::is_file)?;
    version_of(&metadata)
}

pub(super) fn version_of(metadata: &fs::Metadata) -> Option<Version> {
    Version::new(metadata.len(), metadata.modified().ok())
}

/// A file that becomes another one's successor when it is complete. Dropping it removes it, unless it is to be continued
/// by a later transfer.
pub(super) struct Temporary {
    file: tokio::fs::File,
    path: Option<PathBuf>,
    target: PathBuf,
    stays: bool,
}

impl Temporary {
    /// Beside `target`, on the same file system; nobody but its owner sees what is in a private one.
    pub(super) async fn create(target: &Path, private: bool) -> Result<Self, Error> {
        let name = format!("{:016x}", rand::random::<u64>());
        Self::made(target, &name, move |path| create_new(path, private)).await
    }

    /// As [`create`](Self::create), unless an interrupted transfer has left it. Stays, until it is told otherwise.
    pub(super) async fn create_or_continue(target: &Path, private: bool, name: &str) -> Result<Self, Error> {
        let mut temporary = Self::made(target, name, move |path| match create_new(path, private) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => permissions::open_own(path),
            made => made,
        })
        .await?;
        temporary.stays = true;
        Ok(temporary)
    }

    async fn made(
        target: &Path,
        name: &str,
        make: impl FnOnce(&Path) -> io::Result<fs::File> + Send + 'static,
    ) -> Result<Self, Error> {
        let path = target.with_file_name(format!(".download-{name}"));
        let made = path.clone();
        let file = blocking(target, move || make(&made)).await?;
        Ok(Self {
            file: buffered(file),
            path: Some(path),
            target: target.to_owned(),
            stays: false,
        })
    }

    /// Moves both files to where copying goes on, and says how far from the beginning that is.
    pub(super) async fn continue_from(&mut self, source: &mut SftpFile, remote: &str) -> Result<u64, Error> {
        let failed_here = |error| failed(&self.target, error);
        let failed_there = |error| transfer_failed(error).at(remote);
        let copied = self.file.metadata().await.map_err(failed_here)?.len();
        if copied == 0 {
            return Ok(0);
        }
        let range = resume::compared(copied);
        let here = resume::bytes(&mut self.file, &range).await.map_err(failed_here)?;
        let there = resume::bytes(source, &range).await.map_err(failed_there)?;
        let start = resume::start(&range, &here, &there);
        source.seek(SeekFrom::Start(start)).await.map_err(failed_there)?;
        self.file.set_len(start).await.map_err(failed_here)?;
        self.file
            .seek(SeekFrom::Start(start))
            .await
            .map_err(failed_here)?;
        Ok(start)
    }

    /// There is no use in continuing it.
    pub(super) fn give_up(&mut self) {
        self.stays = false;
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|error| failed(&self.target, error))
    }

    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.file.flush().await;
        flushed.map_err(|error| failed(&self.target, error))
    }

    /// Gives it its name, these permissions and this time of its last change.
    pub(super) async fn publish(
        &mut self,
        permissions: Option<u32>,
        modified: Option<SystemTime>,
    ) -> Result<(), Error> {
        let file = self
            .file
            .try_clone()
            .await
            .map_err(|error| failed(&self.target, error))?;
        let file = file.into_std().await;
        let (from, to) = (self.path.clone().unwrap_or_default(), self.target.clone());
        blocking(&self.target, move || {
            if let Some(permissions) = permissions {
                permissions::set(&file, permissions)?;
            }
            if let Some(modified) = modified {
                file.set_modified(modified)?;
            }
            fs::rename(from, to)
        })
        .await?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let (Some(path), false) = (&self.path, self.stays) {
            let _ = fs::remove_file(path);
        }
    }
}

/// In pieces as they are copied.
fn buffered(file: fs::File) -> tokio::fs::File {
    let mut file = tokio::fs::File::from_std(file);
    file.set_max_buf_size(PIECE);
    file
}

fn create_new(path: &Path, private: bool) -> io::Result<fs::File> {
    permissions::creating(private)
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
}

/// Makes a folder and those above it, as far as they are missing.
pub(super) async fn create_folder(path: &Path) -> Result<(), Error> {
    let made = path.to_owned();
    blocking(path, move || fs::create_dir_all(made)).await
}

pub(super) async fn is_folder(path: &Path) -> bool {
    tokio::fs::metadata(path)
        .await
        .is_ok_and(|metadata| metadata.is_dir())
}

pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    Error::local(error).at(path.display())
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| failed(path, error))
}

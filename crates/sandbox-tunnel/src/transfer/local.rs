//! Files and folders of this machine.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;

use super::permissions;
use crate::Error;

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
    Ok((tokio::fs::File::from_std(file), metadata))
}

/// A file that becomes another one's successor when it is complete. Dropping it removes it.
pub(super) struct Temporary {
    file: tokio::fs::File,
    path: Option<PathBuf>,
    target: PathBuf,
}

impl Temporary {
    /// Beside `target`, on the same file system; nobody but its owner sees what is in a private one.
    pub(super) async fn create(target: &Path, private: bool) -> Result<Self, Error> {
        let path = target.with_file_name(format!(".download-{:016x}", rand::random::<u64>()));
        let made = path.clone();
        let file = blocking(target, move || {
            permissions::creating(private)
                .write(true)
                .create_new(true)
                .open(made)
        })
        .await?;
        Ok(Self {
            file: tokio::fs::File::from_std(file),
            path: Some(path),
            target: target.to_owned(),
        })
    }

    pub(super) fn file(&mut self) -> &mut tokio::fs::File {
        &mut self.file
    }

    /// Gives it its name, and these permissions.
    pub(super) async fn publish(mut self, permissions: Option<u32>) -> Result<(), Error> {
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
            fs::rename(from, to)
        })
        .await?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
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

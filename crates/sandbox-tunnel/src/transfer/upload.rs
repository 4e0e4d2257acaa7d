//! To the server.

use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    runtime::Handle,
};

use super::{
    PARALLEL, PIECE, Tally, TransferOptions, Transferred,
    local::{self, Tree},
    permissions,
    resume::{self, Version},
};
use crate::{Create, Error, ErrorKind, FileKind, Sftp, SftpFile, sftp::transfer_failed};

pub(super) async fn upload(
    sftp: &Sftp,
    local: &Path,
    remote: &str,
    options: &TransferOptions,
) -> Result<Transferred, Error> {
    if local::is_folder(local).await {
        return folder(sftp, local, remote, options).await;
    }
    let (_, metadata) = local::open(local).await?;
    let target = target(sftp, local, remote).await?;
    let tally = Tally::new(1, metadata.len(), options);
    file(sftp, local, &target, options, &tally).await?;
    Ok(tally.transferred(0))
}

/// The path of one file's copy.
async fn target(sftp: &Sftp, local: &Path, remote: &str) -> Result<String, Error> {
    let metadata = sftp.metadata(remote).await;
    if !remote.ends_with('/') && !metadata.is_ok_and(|metadata| metadata.kind == FileKind::Directory) {
        return Ok(remote.to_owned());
    }
    let name = local.file_name().map(Path::new).unwrap_or(local);
    join(remote, name)
}

async fn folder(
    sftp: &Sftp,
    local: &Path,
    remote: &str,
    options: &TransferOptions,
) -> Result<Transferred, Error> {
    let tree = Tree::of(local).await?;
    sftp.create_dir_all(remote)
        .await
        .map_err(|error| error.at(remote))?;
    for folder in &tree.folders {
        let path = join(remote, folder)?;
        sftp.create_dir_all(&path)
            .await
            .map_err(|error| error.at(&path))?;
    }
    let tally = Tally::new(tree.files.len() as u64, tree.bytes, options);
    stream::iter(&tree.files)
        .map(Ok)
        .try_for_each_concurrent(PARALLEL, |path| {
            let tally = &tally;
            async move { file(sftp, &local.join(path), &join(remote, path)?, options, tally).await }
        })
        .await?;
    for (path, points_to) in &tree.links {
        link(sftp, &join(remote, path)?, &text(points_to)?).await?;
    }
    Ok(tally.transferred(tree.skipped))
}

/// Copies one file; it appears when it is complete.
async fn file(
    sftp: &Sftp,
    local: &Path,
    target: &str,
    options: &TransferOptions,
    tally: &Tally,
) -> Result<(), Error> {
    let (source, metadata) = local::open(local).await?;
    let version = local::version_of(&metadata).filter(|_| options.resume);
    if version.is_some() && there(sftp, target).await == version {
        tally.resumed(metadata.len());
        tally.file();
        return Ok(());
    }
    let (mut temporary, copy) = match version {
        Some(version) => {
            let name = version.partial_name(&absolute(local), target);
            Temporary::create_or_continue(sftp, target, &name).await?
        }
        None => Temporary::create(sftp, target).await?,
    };
    let complete = async {
        fill(copy, (source, metadata), version, options, tally).await?;
        if let Some(version) = version {
            sftp.set_modified(&temporary.path, version.modified).await?;
        }
        sftp.replace(&temporary.path, target).await
    };
    let completed = complete.await;
    temporary.stays = match &completed {
        Ok(()) => true,
        Err(error) => version.is_some() && error.is_interruption(),
    };
    completed.map_err(|error| error.at(target))?;
    tally.file();
    Ok(())
}

/// The version of the file that is on the server, if one is.
async fn there(sftp: &Sftp, target: &str) -> Option<Version> {
    let metadata = sftp.metadata(target).await.ok()?;
    Version::new(metadata.size, metadata.modified).filter(|_| metadata.kind == FileKind::File)
}

/// Copies what is missing.
async fn fill(
    mut copy: SftpFile,
    (mut source, metadata): (tokio::fs::File, std::fs::Metadata),
    version: Option<Version>,
    options: &TransferOptions,
    tally: &Tally,
) -> Result<(), Error> {
    if version.is_some() {
        tally.resumed(continue_from(&mut copy, &mut source).await?);
    }
    let mut piece = vec![0; PIECE.min(usize::try_from(metadata.len()).unwrap_or(PIECE)).max(1)];
    loop {
        let read = source.read(&mut piece).await.map_err(Error::local)?;
        if read == 0 {
            break;
        }
        let bytes = piece.get(..read).unwrap_or_default();
        copy.write_all(bytes).await.map_err(transfer_failed)?;
        tally.bytes(read);
    }
    if let Some(permissions) = permissions::of(&metadata).filter(|_| options.keep_permissions) {
        copy.set_permissions(permissions).await?;
    }
    // Only this reports the failures of the writes that are still under way.
    copy.shutdown().await.map_err(transfer_failed)
}

/// Moves both files to where copying goes on, and says how far from the beginning that is.
async fn continue_from(copy: &mut SftpFile, source: &mut tokio::fs::File) -> Result<u64, Error> {
    let copied = copy.metadata().await?.size;
    if copied == 0 {
        return Ok(0);
    }
    let range = resume::compared(copied);
    let here = resume::bytes(source, &range).await.map_err(Error::local)?;
    let there = resume::bytes(copy, &range).await.map_err(transfer_failed)?;
    let start = resume::start(&range, &here, &there);
    copy.set_size(start).await?;
    copy.seek(SeekFrom::Start(start)).await.map_err(transfer_failed)?;
    source.seek(SeekFrom::Start(start)).await.map_err(Error::local)?;
    Ok(start)
}

async fn link(sftp: &Sftp, path: &str, points_to: &str) -> Result<(), Error> {
    let temporary = beside(path);
    sftp.symlink(points_to, &temporary)
        .await
        .map_err(|error| error.at(path))?;
    let replaced = sftp.replace(&temporary, path).await;
    if replaced.is_err() {
        let _ = sftp.remove_file(&temporary).await;
    }
    replaced.map_err(|error| error.at(path))
}

/// A file that has not got its name yet. Dropping it removes it, some time later, unless it stays.
struct Temporary {
    sftp: Sftp,
    path: Arc<str>,
    stays: bool,
}

impl Temporary {
    async fn create(sftp: &Sftp, target: &str) -> Result<(Self, SftpFile), Error> {
        Self::open(sftp, target, beside(target), Create::New).await
    }

    /// As [`create`](Self::create), unless an interrupted transfer has left it.
    async fn create_or_continue(sftp: &Sftp, target: &str, name: &str) -> Result<(Self, SftpFile), Error> {
        let (mut temporary, file) = Self::open(sftp, target, named(target, name), Create::Keep).await?;
        temporary.stays = true;
        Ok((temporary, file))
    }

    async fn open(
        sftp: &Sftp,
        target: &str,
        path: String,
        create: Create,
    ) -> Result<(Self, SftpFile), Error> {
        let file = match sftp.create(&path, create).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (folder, _) = path.rsplit_once('/').unwrap_or_default();
                sftp.create_dir_all(folder)
                    .await
                    .map_err(|error| error.at(target))?;
                sftp.create(&path, create).await
            }
            created => created,
        };
        let file = file.map_err(|error| error.at(target))?;
        let temporary = Self {
            sftp: sftp.clone(),
            path: path.into(),
            stays: false,
        };
        Ok((temporary, file))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.stays, Handle::try_current()) {
            let (sftp, path) = (self.sftp.clone(), Arc::clone(&self.path));
            runtime.spawn(async move { sftp.remove_file(&path).await });
        }
    }
}

/// A name nobody has, in the same folder.
fn beside(path: &str) -> String {
    named(path, &format!("{:016x}", rand::random::<u64>()))
}

/// A temporary name in the same folder.
fn named(path: &str, name: &str) -> String {
    let folder = path
        .rfind('/')
        .and_then(|slash| path.get(..=slash))
        .unwrap_or_default();
    format!("{folder}.upload-{name}")
}

/// The same file's name wherever this process is started.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn join(folder: &str, path: &Path) -> Result<String, Error> {
    let path = text(path)?;
    Ok(if folder.is_empty() || folder.ends_with('/') {
        format!("{folder}{path}")
    } else {
        format!("{folder}/{path}")
    })
}

fn text(path: &Path) -> Result<String, Error> {
    let not_text = || {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "the name is not UTF-8");
        local::failed(path, error)
    };
    path.to_str().map(str::to_owned).ok_or_else(not_text)
}

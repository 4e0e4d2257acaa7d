//! To the server.

use std::{path::Path, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Handle,
};

use super::{
    PARALLEL, PIECE, Tally, TransferOptions, Transferred,
    local::{self, Tree},
    permissions,
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
    let (source, metadata) = local::open(local).await?;
    let target = target(sftp, local, remote).await?;
    let tally = Tally::new(1, metadata.len(), options);
    file(sftp, (source, metadata), &target, options, &tally).await?;
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
            async move {
                let source = local::open(&local.join(path)).await?;
                file(sftp, source, &join(remote, path)?, options, tally).await
            }
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
    (mut source, metadata): (tokio::fs::File, std::fs::Metadata),
    target: &str,
    options: &TransferOptions,
    tally: &Tally,
) -> Result<(), Error> {
    let failed = |error: Error| error.at(target);
    source.set_max_buf_size(PIECE);
    let (mut temporary, mut copy) = Temporary::create(sftp, target).await?;
    let mut piece = vec![0; PIECE.min(usize::try_from(metadata.len()).unwrap_or(PIECE)).max(1)];
    loop {
        let read = source
            .read(&mut piece)
            .await
            .map_err(|error| Error::local(error).at(target))?;
        if read == 0 {
            break;
        }
        let bytes = piece.get(..read).unwrap_or_default();
        copy.write_all(bytes)
            .await
            .map_err(|error| failed(transfer_failed(error)))?;
        tally.bytes(read);
    }
    if let Some(permissions) = permissions::of(&metadata).filter(|_| options.keep_permissions) {
        copy.set_permissions(permissions).await.map_err(failed)?;
    }
    // Only this reports the failures of the writes that are still under way.
    copy.shutdown()
        .await
        .map_err(|error| failed(transfer_failed(error)))?;
    sftp.replace(&temporary.path, target).await.map_err(failed)?;
    temporary.is_there = false;
    tally.file();
    Ok(())
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

/// A file that has not got its name yet. Dropping it removes it, some time later.
struct Temporary {
    sftp: Sftp,
    path: Arc<str>,
    is_there: bool,
}

impl Temporary {
    async fn create(sftp: &Sftp, target: &str) -> Result<(Self, SftpFile), Error> {
        let path = beside(target);
        let file = match sftp.create(&path, Create::New).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let (folder, _) = path.rsplit_once('/').unwrap_or_default();
                sftp.create_dir_all(folder)
                    .await
                    .map_err(|error| error.at(target))?;
                sftp.create(&path, Create::New).await
            }
            created => created,
        };
        let file = file.map_err(|error| error.at(target))?;
        let temporary = Self {
            sftp: sftp.clone(),
            path: path.into(),
            is_there: true,
        };
        Ok((temporary, file))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.is_there, Handle::try_current()) {
            let (sftp, path) = (self.sftp.clone(), Arc::clone(&self.path));
            runtime.spawn(async move { sftp.remove_file(&path).await });
        }
    }
}

/// A name nobody has, in the same folder.
fn beside(path: &str) -> String {
    let folder = path
        .rfind('/')
        .and_then(|slash| path.get(..=slash))
        .unwrap_or_default();
    format!("{folder}.upload-{:016x}", rand::random::<u64>())
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

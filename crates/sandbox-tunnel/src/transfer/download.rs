//! From the server, which is not trusted.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::AsyncReadExt;

use super::{PARALLEL, PIECE, Tally, TransferOptions, Transferred, local, resume::Version};
use crate::{Error, ErrorKind, FileKind, Metadata, Phase, Sftp, sftp::transfer_failed};

/// Folders within folders, beyond which a server is thought to make them up.
const MAX_DEPTH: usize = 128;

/// Files and folders of one download, beyond which it is given up.
const MAX_ENTRIES: usize = 1_000_000;

pub(super) async fn download(
    sftp: &Sftp,
    remote: &str,
    local: &Path,
    options: &TransferOptions,
) -> Result<Transferred, Error> {
    let metadata = sftp.metadata(remote).await.map_err(|error| error.at(remote))?;
    match metadata.kind {
        FileKind::Directory => folder(sftp, remote, local, options).await,
        FileKind::File => {
            let target = if local::is_folder(local).await {
                let name = remote
                    .rsplit('/')
                    .find(|name| !name.is_empty())
                    .unwrap_or_default();
                local.join(checked(name)?)
            } else {
                local.to_owned()
            };
            let tally = Tally::new(1, metadata.size, options);
            file(sftp, remote, metadata, &target, options, &tally).await?;
            Ok(tally.transferred(0))
        }
        FileKind::Symlink | FileKind::Other => {
            let cause = "neither a file nor a folder";
            Err(Error::caused_by(Phase::Sftp, ErrorKind::Failure, cause).at(remote))
        }
    }
}

/// What there is below a remote folder.
#[derive(Default)]
struct Tree {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Metadata)>,
    skipped: u64,
}

impl Tree {
    async fn of(sftp: &Sftp, remote: &str) -> Result<Self, Error> {
        let mut tree = Self::default();
        let mut next = vec![PathBuf::new()];
        while let Some(folder) = next.pop() {
            let path = joined(remote, &folder);
            for entry in sftp.read_dir(&path).await.map_err(|error| error.at(&path))? {
                let path = folder.join(checked(&entry.name)?);
                match entry.metadata.kind {
                    FileKind::Directory => {
                        next.push(path.clone());
                        tree.folders.push(path);
                    }
                    FileKind::File => tree.files.push((path, entry.metadata)),
                    FileKind::Symlink | FileKind::Other => tree.skipped += 1,
                }
            }
            let entries = tree.folders.len() + tree.files.len();
            if folder.components().count() > MAX_DEPTH || entries > MAX_ENTRIES {
                let cause = "there is more in the folder than can be believed";
                return Err(Error::caused_by(Phase::Sftp, ErrorKind::Protocol, cause).at(remote));
            }
        }
        Ok(tree)
    }
}

async fn folder(
    sftp: &Sftp,
    remote: &str,
    local: &Path,
    options: &TransferOptions,
) -> Result<Transferred, Error> {
    let tree = Tree::of(sftp, remote).await?;
    local::create_folder(local).await?;
    for folder in &tree.folders {
        local::create_folder(&local.join(folder)).await?;
    }
    let bytes = tree.files.iter().map(|(_, metadata)| metadata.size).sum();
    let tally = Tally::new(tree.files.len() as u64, bytes, options);
    stream::iter(&tree.files)
        .map(Ok)
        .try_for_each_concurrent(PARALLEL, |(path, metadata)| {
            let tally = &tally;
            async move {
                let (from, to) = (joined(remote, path), local.join(path));
                file(sftp, &from, *metadata, &to, options, tally).await
            }
        })
        .await?;
    Ok(tally.transferred(tree.skipped))
}

async fn file(
    sftp: &Sftp,
    remote: &str,
    metadata: Metadata,
    target: &Path,
    options: &TransferOptions,
    tally: &Tally,
) -> Result<(), Error> {
    let version = Version::new(metadata.size, metadata.modified).filter(|_| options.resume);
    if version.is_some() && local::version(target).await == version {
        tally.resumed(metadata.size);
        tally.file();
        return Ok(());
    }
    let mut copy = match version {
        Some(version) => {
            let name = version.partial_name(Path::new(remote), target.display());
            local::Temporary::create_or_continue(target, options.keep_permissions, &name).await?
        }
        None => local::Temporary::create(target, options.keep_permissions).await?,
    };
    let complete = async {
        fill(&mut copy, sftp, (remote, metadata.size), version, tally).await?;
        let permissions = options.keep_permissions.then_some(metadata.permissions);
        let modified = metadata.modified.filter(|_| version.is_some());
        copy.publish(permissions, modified).await
    };
    let completed = complete.await;
    if completed.as_ref().is_err_and(|error| !error.is_interruption()) {
        copy.give_up();
    }
    completed?;
    tally.file();
    Ok(())
}

/// Copies what is missing.
async fn fill(
    copy: &mut local::Temporary,
    sftp: &Sftp,
    (remote, size): (&str, u64),
    version: Option<Version>,
    tally: &Tally,
) -> Result<(), Error> {
    let mut source = sftp.open(remote).await.map_err(|error| error.at(remote))?;
    if version.is_some() {
        tally.resumed(copy.continue_from(&mut source, remote).await?);
    }
    let mut piece = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE)).max(1)];
    loop {
        let read = source
            .read(&mut piece)
            .await
            .map_err(|error| transfer_failed(error).at(remote))?;
        if read == 0 {
            break;
        }
        copy.write(piece.get(..read).unwrap_or_default()).await?;
        tally.bytes(read);
    }
    copy.flush().await
}

/// The name of something in a folder; a server that gives others wants to write elsewhere.
fn checked(name: &str) -> Result<&str, Error> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let cause = io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{name:?} is no name of a file"),
        );
        return Err(Error::caused_by(Phase::Sftp, ErrorKind::Protocol, cause));
    }
    Ok(name)
}

fn joined(remote: &str, path: &Path) -> String {
    // Made of names that were text.
    let path = path.to_string_lossy();
    match (path.is_empty(), remote.ends_with('/')) {
        (true, _) => remote.to_owned(),
        (false, true) => format!("{remote}{path}"),
        (false, false) => format!("{remote}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["a", ".a", "...", "a b", "-rf", "ü", "a\\b"] {
            checked(name).unwrap();
        }
        for name in ["", ".", "..", "/", "a/b", "../a", "/etc/passwd", "a\0b"] {
            assert_eq!(checked(name).unwrap_err().kind(), ErrorKind::Protocol, "{name:?}");
        }
    }

    #[test]
    fn remote_paths_are_joined() {
        for (remote, path, joined) in [
            ("/w", "", "/w"),
            ("/w", "a/b", "/w/a/b"),
            ("/", "a", "/a"),
            ("w/", "a", "w/a"),
        ] {
            assert_eq!(super::joined(remote, Path::new(path)), joined);
        }
    }
}

//! Where the documents and blobs of images are.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::{not_found, open_file, read_document};
use crate::Result;
use crate::manifest::invalid;
use crate::part::Part;
use crate::store::Store;

/// Files with documents and blobs, by their paths: those of a directory, or the members of an archive.
#[derive(Debug)]
pub(crate) struct Parts {
    path: PathBuf,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Dir,
    Archive(Archive),
}

impl Parts {
    /// Looks what is there. An archive that is compressed is decompressed into the store first, for as long as this is.
    pub(crate) fn open(store: &Store, path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(not_found(path));
        }
        let form = if path.is_dir() {
            Form::Dir
        } else {
            Form::Archive(Archive::open(store, open_file(path)?)?)
        };
        let path = path.to_owned();
        Ok(Self { path, form })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.form {
            Form::Dir => self.path.join(name).exists(),
            Form::Archive(archive) => archive.part(name).is_some(),
        }
    }

    /// What has this name, which is the path of a regular file, relative and without `..`.
    pub(crate) fn part(&self, name: &str) -> Result<Part> {
        match &self.form {
            Form::Dir => open_file(&self.path.join(name)).map(File::into),
            Form::Archive(archive) => archive
                .part(name)
                .ok_or_else(|| invalid(format!("{self} has no {name:?}"))),
        }
    }

    /// What has this name, if it is not longer than a document may be; of anything longer, more than that.
    pub(crate) fn document(&self, name: &str) -> Result<Vec<u8>> {
        read_document(name, self.part(name)?)
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

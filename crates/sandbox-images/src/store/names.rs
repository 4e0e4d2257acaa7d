//! Which image a name leads to.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::files::{names_in, replace};
use super::{Store, failed};
use crate::{Digest, ImageName, Result};

#[derive(Serialize, Deserialize)]
struct Named {
    name: String,
    digest: String,
}

impl Store {
    /// The image that goes by this name; whether it is still there is another question.
    pub(crate) fn named(&self, name: &ImageName) -> Result<Option<Digest>> {
        let read = self
            .read_name(&file_of(name))
            .map_err(|e| failed(format!("the name {name} cannot be read"), e))?;
        Ok(read.map(|(_, digest)| digest))
    }

    /// Gives an image a name, which another may have had.
    pub(crate) fn name(&self, name: &ImageName, digest: Digest) -> Result<()> {
        let failed = |e| failed(format!("the name {name} cannot be written"), e);
        let named = Named {
            name: name.to_string(),
            digest: digest.to_string(),
        };
        let content = serde_json::to_vec(&named).map_err(|e| failed(e.into()))?;
        replace(
            &self.path("names", &file_of(name)),
            &self.scratch("name"),
            &content,
        )
        .map_err(failed)
    }

    /// Takes the name from whatever has it; whether anything had it.
    pub(super) fn unname(&self, name: &ImageName) -> Result<bool> {
        match fs::remove_file(self.path("names", &file_of(name))) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed(format!("the name {name} cannot be removed"), e)),
        }
    }

    /// All names.
    pub(super) fn all_names(&self) -> io::Result<Vec<(ImageName, Digest)>> {
        let mut all = Vec::new();
        for file in names_in(&self.inner.dir.join("names"))? {
            all.extend(self.read_name(&file)?);
        }
        all.sort();
        Ok(all)
    }

    /// A file that is no name, since somebody else wrote it, is as good as none.
    fn read_name(&self, file: &str) -> io::Result<Option<(ImageName, Digest)>> {
        let content = match fs::read(self.path("names", file)) {
            Ok(content) => content,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let parsed = serde_json::from_slice::<Named>(&content).ok();
        Ok(parsed.and_then(|named| Some((named.name.parse().ok()?, named.digest.parse().ok()?))))
    }
}

fn file_of(name: &ImageName) -> String {
    Digest::of(name.to_string().as_bytes()).hex()
}

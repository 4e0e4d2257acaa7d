//! Images from files: which form somebody's directory or archive has, and what is in it.

mod archive;
mod docker;
mod parts;
mod tagged;
mod tree;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

pub(crate) use self::parts::Parts;
pub(crate) use self::tagged::choose;
pub(crate) use self::tree::import_tree;
use crate::compression::unreadable;
use crate::images::Leased;
use crate::layout::{self, Layout};
use crate::manifest::{MAX_DOCUMENT, invalid};
use crate::part::Part;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// Puts an image into the store: that of this reference, or the only one.
///
/// An archive that has both forms, as those of `docker save` do now, is read as a layout, which has the manifest.
pub(crate) fn import(store: &Store, path: &Path, reference: Option<&str>) -> Result<Leased> {
    let parts = Parts::open(store, path)?;
    if parts.has(layout::INDEX) {
        return Layout::new(&parts, reference).import(store);
    }
    if parts.has(docker::MANIFEST) {
        return docker::import(store, &parts, reference);
    }
    Err(invalid(format!(
        "{parts} is neither an OCI image layout nor a docker archive: it has no {} and no {}",
        layout::INDEX,
        docker::MANIFEST
    )))
}

/// Opens a regular file; anything else could keep its reader waiting for ever.
fn open_file(path: &Path) -> Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let unreadable = |error| invalid(format!("{} cannot be read", path.display())).with_source(error);
    let file = opened.map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_file() {
        return Ok(file);
    }
    Err(invalid(format!("{} is no file", path.display())))
}

/// Reads what is no longer than a document may be, and of anything longer a byte more, which its parser refuses.
fn read_document(what: &str, part: Part) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    part.take(MAX_DOCUMENT as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|error| unreadable(what, error))?;
    Ok(content)
}

fn not_found(path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {}", path.display()))
}

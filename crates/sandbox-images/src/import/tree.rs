//! The archive of a root file system.

use std::path::Path;

use serde_json::json;

use super::{not_found, open_file};
use crate::images::Leased;
use crate::part::Part;
use crate::store::Store;
use crate::{Digest, Result};

/// Puts an image of one layer, this archive, into the store. It goes by the digest of a configuration that says nothing
/// but which layer that is, so that the same archive is the same image, however it is compressed.
pub(crate) fn import_tree(store: &Store, path: &Path) -> Result<Leased> {
    if !path.exists() {
        return Err(not_found(path));
    }
    let archive = Part::from(open_file(path)?);
    let diff_id = store.content_digest(archive.clone())?;
    let config = json!({"rootfs": {"type": "layers", "diff_ids": [diff_id.to_string()]}}).to_string();
    let id = Digest::of(config.as_bytes());
    if let Some(image) = store.image(&id)? {
        return Ok(image);
    }
    store.unpack_parts(id, config.as_bytes(), Vec::new(), vec![archive])
}

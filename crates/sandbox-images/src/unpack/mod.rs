//! Layers become a tree.

mod disk;
mod layer;
mod model;
mod source;
mod tree;

use std::path::Path;

pub(crate) use self::model::names;
use self::source::{Budget, Source};
use self::tree::Tree;
use crate::part::Part;
use crate::{Digest, Error, ErrorKind, Result};

/// What the kernel takes as a path, its NUL included.
const MAX_PATH: usize = 4096;

/// The bounds of what is unpacked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Uncompressed bytes of all layers together; and bytes of any one file, holes included.
    pub(crate) bytes: u64,
    /// Entries of all layers together.
    pub(crate) entries: u64,
    /// Bytes of names that are remembered of the tree.
    pub(crate) names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 30,
            entries: 1_000_000,
            names: 64 << 20,
        }
    }
}

/// Unpacks layers, lowest first, into a directory that it makes, and says how many bytes of content they had.
///
/// While one layer is written, a thread decompresses the next.
pub(crate) fn unpack(dir: &Path, layers: Vec<(Part, Digest)>, limits: &Limits) -> Result<u64> {
    let limits = Limits {
        bytes: limits.bytes.min(free_bytes(dir.parent().unwrap_or(dir))?),
        ..*limits
    };
    let mut tree = Tree::create(dir, limits)?;
    let budget = Budget::new(limits.bytes);
    let mut waiting = layers
        .into_iter()
        .map(|(blob, id)| Source::start(blob, &budget).map(|source| (source, id)));
    let mut next = waiting.next().transpose()?;
    while let Some((mut source, diff_id)) = next {
        next = waiting.next().transpose()?;
        layer::read(&mut source, &mut tree)?;
        let found = source.finish()?;
        if found != diff_id {
            return Err(crate::manifest::invalid(format!(
                "the layer {diff_id} has the content {found}"
            )));
        }
        tree.end_layer();
    }
    tree.finish()
}

/// What the file system has room for.
pub(crate) fn free_bytes(dir: &Path) -> Result<u64> {
    let room = rustix::fs::statvfs(dir)
        .map_err(|e| crate::store::failed("the image store cannot be asked for its room", e))?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

pub(crate) fn too_many_bytes(bound: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the image's layers unpack to more than {bound} bytes"),
    )
}

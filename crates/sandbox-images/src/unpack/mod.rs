//! Layers become a tree.

mod source;
mod tar;
mod tree;

use std::fs::File;
use std::path::Path;

use self::source::Source;
use self::tree::Tree;
use crate::{Digest, Error, ErrorKind, Result};

/// The bounds of what is unpacked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Uncompressed bytes of all layers together, and of any one file.
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
pub(crate) fn unpack(dir: &Path, layers: Vec<(File, Digest)>, limits: &Limits) -> Result<u64> {
    let limits = Limits {
        bytes: limits.bytes.min(free_bytes(dir)?),
        ..*limits
    };
    let mut tree = Tree::create(dir, limits)?;
    let mut left = limits.bytes;
    let mut waiting = layers.into_iter();
    let mut next = waiting
        .next()
        .map(|(blob, id)| (Source::start(blob, limits.bytes), id));
    while let Some((source, diff_id)) = next {
        let mut source = source?;
        next = waiting
            .next()
            .map(|(blob, id)| (Source::start(blob, limits.bytes), id));
        tar::read(&mut source, &mut tree)?;
        let (found, bytes) = source.finish()?;
        if found != diff_id {
            return Err(crate::manifest::invalid(format!(
                "the layer {diff_id} has the content {found}"
            )));
        }
        left = left
            .checked_sub(bytes)
            .ok_or_else(|| too_many_bytes(limits.bytes))?;
        tree.end_layer();
    }
    tree.finish()
}

/// What the file system has room for.
fn free_bytes(dir: &Path) -> Result<u64> {
    let parent = dir.parent().unwrap_or(dir);
    let room = rustix::fs::statvfs(parent)
        .map_err(|e| crate::store::failed("the image store cannot be asked for its room", e))?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

fn too_many_bytes(bound: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the image's layers unpack to more than {bound} bytes"),
    )
}

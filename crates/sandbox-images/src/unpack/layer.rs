//! One layer into the tree.

use super::source::Source;
use super::tree::Tree;
use crate::Result;
use crate::tar;

/// Reads a layer into the tree, up to its end mark or its end.
pub(super) fn read(source: &mut Source, tree: &mut Tree) -> Result<()> {
    let mut reader = tar::Reader::default();
    let mut dropped = 0_u64;
    while let Some(entry) = reader.next(source)? {
        dropped += u64::from(entry.attributes);
        let file = tree.add(&entry)?;
        tar::content(source, &entry, |at, bytes| {
            file.as_ref().map_or(Ok(()), |file| file.write(at, bytes))
        })?;
        if let Some(file) = file {
            file.finish(entry.size())?;
        }
    }
    if dropped > 0 {
        tracing::info!(
            entries = dropped,
            "extended attributes of a layer are dropped, file capabilities among them"
        );
    }
    Ok(())
}

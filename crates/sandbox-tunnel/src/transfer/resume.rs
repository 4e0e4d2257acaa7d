//! What an interrupted transfer has left: whether it belongs to a source, and where to go on.

use std::{
    fmt, io,
    io::SeekFrom,
    ops::Range,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt};

/// Bytes at the end of an incomplete copy that are copied once more. More than is ever under way, so that no hole is
/// left where a server does not write in order.
const OVERLAP: u64 = 8 << 20;

/// Bytes before them that have to be the same on both sides.
const COMPARED: u64 = 64 << 10;

/// What a file is known by: while both are the same, it is taken for unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size: u64,
    /// In seconds since 1970: SFTP knows no others.
    pub(super) modified: u32,
}

impl Version {
    /// `None` if nobody knows when it was changed, or nobody can tell a server.
    pub(super) fn new(size: u64, modified: Option<SystemTime>) -> Option<Self> {
        let since = modified?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self {
            size,
            modified: u32::try_from(since.as_secs()).ok()?,
        })
    }

    /// The name by which the incomplete copy of a source is found again: nobody else's, in its folder.
    pub(super) fn partial_name(&self, source: &Path, target: impl fmt::Display) -> String {
        let Self { size, modified } = self;
        let text = format!("{}\0{target}\0{size}\0{modified}", source.display());
        let digest = Sha256::digest(text);
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What has to be the same on both sides before an incomplete copy is continued, at its end. Empty if it is not worth it.
pub(super) fn compared(copied: u64) -> Range<u64> {
    let end = copied.saturating_sub(OVERLAP);
    end.saturating_sub(COMPARED)..end
}

/// Where copying goes on, given what both sides have in the range that was to be compared.
pub(super) fn start(range: &Range<u64>, one: &[u8], other: &[u8]) -> u64 {
    let is_whole = one.len() as u64 == range.end.saturating_sub(range.start);
    if is_whole && one == other { range.end } else { 0 }
}

/// The bytes of a file in a range, as far as there are any.
pub(super) async fn bytes(
    file: &mut (impl AsyncRead + AsyncSeek + Unpin),
    range: &Range<u64>,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(range.start)).await?;
    file.take(range.end.saturating_sub(range.start))
        .read_to_end(&mut bytes)
        .await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_is_known_by_path_size_and_time() {
        let version = |size, seconds: u64| {
            Version::new(size, Some(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7)))
        };
        let name = |size, seconds, source: &str, target: &str| {
            version(size, seconds)
                .unwrap()
                .partial_name(Path::new(source), target)
        };
        let names = [
            name(1, 1, "a", "b"),
            name(2, 1, "a", "b"),
            name(1, 2, "a", "b"),
            name(1, 1, "b", "b"),
            name(1, 1, "a", "a"),
            name(11, 1, "a", "b"),
        ];
        for (n, name) in names.iter().enumerate() {
            assert_eq!(name.len(), 16);
            assert!(!names.iter().skip(n + 1).any(|other| other == name), "{names:?}");
        }
        assert_eq!(version(1, 1), version(1, 1));
        assert_eq!(Version::new(1, None), None);
        assert_eq!(Version::new(1, Some(UNIX_EPOCH - Duration::from_secs(1))), None);
        assert_eq!(version(1, 1 << 33), None);
    }

    #[test]
    fn the_last_bytes_are_not_relied_on() {
        assert!(compared(0).is_empty() && compared(OVERLAP).is_empty());
        assert_eq!(compared(OVERLAP + 10), 0..10);
        assert_eq!(compared(100 << 20), (92 << 20) - COMPARED..92 << 20);
    }
}

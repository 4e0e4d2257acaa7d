//! The header of an entry: one block with fields at their places.

use super::BLOCK;
use crate::Result;
use crate::manifest::invalid;

/// A header whose check sum is right.
pub(super) struct Header([u8; BLOCK]);

impl Header {
    /// `None` for the block of zeros that marks an archive's end.
    pub(super) fn new(block: [u8; BLOCK]) -> Result<Option<Self>> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Self(block);
        let sum: u64 = header.0.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = header.field(148, 8).iter().map(|byte| u64::from(*byte)).sum();
        // The sum is that of a header with spaces in its place.
        if header.number(148, 8)? != sum - own + 8 * u64::from(b' ') {
            return Err(invalid(
                "this is not a tar archive: the check sum of a header is wrong",
            ));
        }
        Ok(Some(header))
    }

    /// The type of the entry, or of what is said of the next.
    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    /// Whether its type is that of a directory, which has no content whatever its size.
    pub(super) fn is_dir(&self) -> bool {
        self.kind() == b'5'
    }

    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_nul(self.field(0, 100));
        let prefix = until_nul(self.field(345, 155));
        // GNU's format has other things where POSIX has the prefix.
        if prefix.is_empty() || self.field(257, 6) != b"ustar\0" {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(super) fn link(&self) -> &[u8] {
        until_nul(self.field(157, 100))
    }

    pub(super) fn mode(&self) -> Result<u64> {
        self.number(100, 8)
    }

    pub(super) fn uid(&self) -> Result<u64> {
        self.number(108, 8)
    }

    pub(super) fn gid(&self) -> Result<u64> {
        self.number(116, 8)
    }

    pub(super) fn size(&self) -> Result<u64> {
        self.number(124, 12)
    }

    pub(super) fn mtime(&self) -> Result<(i64, u32)> {
        Ok((i64::try_from(self.number(136, 12)?).unwrap_or(0), 0))
    }

    /// The size of a sparse file in GNU's old format, holes included.
    pub(super) fn sparse_size(&self) -> Result<u64> {
        self.number(483, 12)
    }

    /// Where the map of such a file starts: four pieces, and whether more blocks of it follow.
    pub(super) fn sparse_map(&self) -> &[u8] {
        self.field(386, 4 * 24 + 1)
    }

    fn number(&self, at: usize, length: usize) -> Result<u64> {
        number(self.field(at, length))
    }

    fn field(&self, at: usize, length: usize) -> &[u8] {
        self.0.get(at..at + length).unwrap_or_default()
    }
}

pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or GNU's binary for what they cannot say. A time before 1970 becomes 1970.
pub(super) fn number(field: &[u8]) -> Result<u64> {
    let bad = || invalid("a tar archive has a header with a number that cannot be read");
    match field.split_first() {
        Some((0xff, _)) => Ok(0),
        Some((0x80, rest)) => {
            let tail = rest.len().saturating_sub(8);
            let (high, low) = rest.split_at(tail);
            if high.iter().any(|byte| *byte != 0) {
                return Err(bad());
            }
            Ok(low.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        _ => {
            let digits = std::str::from_utf8(until_nul(field)).map_err(|_| bad())?.trim();
            if digits.is_empty() {
                return Ok(0);
            }
            u64::from_str_radix(digits, 8).map_err(|_| bad())
        }
    }
}

//! What headers before an entry say of it.

use super::sparse::Said;
use crate::manifest::invalid;
use crate::{Error, Result};

/// What headers before an entry, or before all entries, say.
#[derive(Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) sparse: Option<Said>,
    pub(super) attributes: bool,
}

impl Extensions {
    /// Reads records of `<length> <key>=<value>\n`, where the length counts itself.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Result<()> {
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
            let length: usize = parsed(records.get(..space).unwrap_or_default())?;
            let record = records
                .get(space + 1..length)
                .and_then(|record| record.strip_suffix(b"\n"))
                .ok_or_else(bad)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
            let (key, value) = record.split_at(equals);
            self.set(key, value.get(1..).unwrap_or_default())?;
            records = records.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(parsed(value)?),
            b"uid" => self.uid = Some(parsed(value)?),
            b"gid" => self.gid = Some(parsed(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            key if key.starts_with(b"SCHILY.xattr.") || key.starts_with(b"LIBARCHIVE.xattr.") => {
                self.attributes = true;
            }
            key => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.get_or_insert_default().set(key, value)?;
                }
            }
        }
        Ok(())
    }
}

/// A number in decimal digits.
pub(super) fn parsed<T: std::str::FromStr>(value: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(value).map_err(|_| bad())?;
    text.parse().map_err(|_| bad())
}

/// Seconds, with a fraction of as many digits as somebody likes.
fn time(value: &[u8]) -> Result<(i64, u32)> {
    let value = std::str::from_utf8(value).map_err(|_| bad())?;
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let whole: i64 = parsed(seconds.as_bytes())?;
    let nanoseconds: u32 = parsed(digits.as_bytes())?;
    if !seconds.starts_with('-') || nanoseconds == 0 {
        return Ok((whole, nanoseconds));
    }
    Ok((whole.checked_sub(1).ok_or_else(bad)?, 1_000_000_000 - nanoseconds))
}

pub(super) fn bad() -> Error {
    invalid("a tar archive has a pax header that cannot be read")
}

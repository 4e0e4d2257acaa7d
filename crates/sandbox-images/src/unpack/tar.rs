//! The entries of a tar archive, read with bounds: what an archive says of its lengths is never believed.

use super::source::Source;
use super::tree::{Entry, Kind, Tree};
use crate::Result;
use crate::manifest::invalid;

const BLOCK: usize = 512;
/// The longest long name, link target, or pax header.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// What headers before an entry say of it.
#[derive(Default, Clone)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<(i64, u32)>,
    attributes: bool,
}

/// Reads an archive into the tree, up to its end mark or its end.
pub(super) fn read(source: &mut Source, tree: &mut Tree) -> Result<()> {
    let mut global = Extensions::default();
    let mut next = Extensions::default();
    let mut dropped = 0_u64;
    while let Some(header) = header(source)? {
        let size = number(field(&header, 124, 12))?;
        match header[156] {
            b'L' => next.path = Some(until_nul(&extension(source, size)?).to_vec()),
            b'K' => next.link = Some(until_nul(&extension(source, size)?).to_vec()),
            b'x' => pax(&extension(source, size)?, &mut next)?,
            b'g' => pax(&extension(source, size)?, &mut global)?,
            b'S' => return Err(invalid("the layer has a sparse file in GNU's format")),
            _ => {
                let extensions = std::mem::take(&mut next);
                dropped += u64::from(extensions.attributes);
                entry(source, tree, &header, size, extensions, &global)?;
            }
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

fn entry(
    source: &mut Source,
    tree: &mut Tree,
    header: &[u8; BLOCK],
    size: u64,
    said: Extensions,
    global: &Extensions,
) -> Result<()> {
    let size = said.size.or(global.size).unwrap_or(size);
    let path = said
        .path
        .or_else(|| global.path.clone())
        .unwrap_or_else(|| name(header));
    let link = said
        .link
        .or_else(|| global.link.clone())
        .unwrap_or_else(|| until_nul(field(header, 157, 100)).to_vec());
    let kind = match header[156] {
        b'5' => Kind::Dir,
        // Before there was a type for them, directories were files with a slash at the end.
        b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Dir,
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink(link),
        b'2' => Kind::Symlink(link),
        b'3' | b'4' | b'6' => Kind::Special,
        other => {
            return Err(invalid(format!(
                "the layer has an entry of the unknown type {other:#04x}"
            )));
        }
    };
    let (seconds, nanoseconds) = match said.mtime.or(global.mtime) {
        Some(mtime) => mtime,
        None => (i64::try_from(number(field(header, 136, 12))?).unwrap_or(0), 0),
    };
    let id = |said: Option<u64>, global: Option<u64>, at| match said.or(global) {
        Some(id) => Ok(id),
        None => number(field(header, at, 8)),
    };
    let entry = Entry {
        path,
        kind,
        mode: u32::try_from(number(field(header, 100, 8))? & 0o7777).unwrap_or(0),
        uid: id(said.uid, global.uid, 108)?,
        gid: id(said.gid, global.gid, 116)?,
        mtime: (seconds, nanoseconds),
        size,
    };
    let is_file = matches!(entry.kind, Kind::File);
    let file = tree.add(entry)?;
    if is_file || !matches!(header[156], b'1'..=b'6') {
        copy(source, size, |bytes| match &file {
            Some(file) => file.write(bytes),
            None => Ok(()),
        })?;
        copy(source, padding(size), |_| Ok(()))?;
    }
    if let Some(file) = file {
        file.finish()?;
    }
    Ok(())
}

/// The next header; `None` at the archive's end.
fn header(source: &mut Source) -> Result<Option<[u8; BLOCK]>> {
    if source.fill()?.is_empty() {
        return Ok(None);
    }
    let mut header = [0; BLOCK];
    let mut rest = header.as_mut_slice();
    copy(source, BLOCK as u64, |bytes| {
        let (now, later) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        rest = later;
        Ok(())
    })?;
    if header.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = field(&header, 148, 8).iter().map(|byte| u64::from(*byte)).sum();
    if number(field(&header, 148, 8))? != sum - own + 8 * u64::from(b' ') {
        return Err(invalid(
            "the layer is not a tar archive: the check sum of a header is wrong",
        ));
    }
    Ok(Some(header))
}

/// Hands on this many bytes, as they come.
fn copy(source: &mut Source, mut count: u64, mut to: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    while count > 0 {
        let here = source.fill()?;
        let take = usize::try_from(count).unwrap_or(usize::MAX).min(here.len());
        if take == 0 {
            return Err(invalid("the layer ends within an entry"));
        }
        to(here.get(..take).unwrap_or_default())?;
        source.consume(take);
        count -= take as u64;
    }
    Ok(())
}

fn extension(source: &mut Source, size: u64) -> Result<Vec<u8>> {
    if size > MAX_EXTENSION {
        return Err(invalid(format!(
            "the layer has a header of {size} bytes, more than {MAX_EXTENSION}"
        )));
    }
    let mut content = Vec::new();
    copy(source, size, |bytes| {
        content.extend_from_slice(bytes);
        Ok(())
    })?;
    copy(source, padding(size), |_| Ok(()))?;
    Ok(content)
}

/// Records of `<length> <key>=<value>\n`, where the length counts itself.
fn pax(mut records: &[u8], into: &mut Extensions) -> Result<()> {
    let bad = || invalid("the layer has a pax header that cannot be read");
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
        let length: usize = text(records.get(..space))
            .and_then(|text| text.parse().ok())
            .ok_or_else(bad)?;
        let record = records
            .get(space + 1..length)
            .and_then(|record| record.strip_suffix(b"\n"))
            .ok_or_else(bad)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
        let (key, value) = record.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        let decimal = || {
            text(Some(value))
                .and_then(|text| text.parse().ok())
                .ok_or_else(bad)
        };
        match key {
            b"path" => into.path = Some(value.to_vec()),
            b"linkpath" => into.link = Some(value.to_vec()),
            b"size" => into.size = Some(decimal()?),
            b"uid" => into.uid = Some(decimal()?),
            b"gid" => into.gid = Some(decimal()?),
            b"mtime" => into.mtime = Some(time(value).ok_or_else(bad)?),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(invalid("the layer has a sparse file in pax's format"));
            }
            key if key.starts_with(b"SCHILY.xattr.") || key.starts_with(b"LIBARCHIVE.xattr.") => {
                into.attributes = true
            }
            _ => {}
        }
        records = records.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// Seconds, with a fraction of as many digits as somebody likes.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let value = text(Some(value))?;
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let (whole, nanoseconds): (i64, u32) = (seconds.parse().ok()?, digits.parse().ok()?);
    if !seconds.starts_with('-') || nanoseconds == 0 {
        return Some((whole, nanoseconds));
    }
    Some((whole.checked_sub(1)?, 1_000_000_000 - nanoseconds))
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}

fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(field(header, 0, 100));
    let prefix = until_nul(field(header, 345, 155));
    // GNU's format has other things where POSIX has the prefix.
    if prefix.is_empty() || field(header, 257, 6) != b"ustar\0" {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

fn field(header: &[u8; BLOCK], at: usize, length: usize) -> &[u8] {
    header.get(at..at + length).unwrap_or_default()
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or GNU's binary for what they cannot say. A time before 1970 becomes 1970.
fn number(field: &[u8]) -> Result<u64> {
    let bad = || invalid("the layer has a header with a number that cannot be read");
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
            let digits = text(Some(until_nul(field))).ok_or_else(bad)?.trim();
            if digits.is_empty() {
                Ok(0)
            } else {
                u64::from_str_radix(digits, 8).map_err(|_| bad())
            }
        }
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

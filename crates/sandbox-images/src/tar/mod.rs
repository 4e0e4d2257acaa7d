//! The entries of a tar archive, read with bounds: what an archive says of its lengths is never believed.

mod header;
mod pax;
mod sparse;

use self::header::{Header, until_nul};
use self::pax::Extensions;
pub(crate) use self::sparse::Map;
use crate::Result;
use crate::manifest::invalid;

/// What archives are divided into.
const BLOCK: usize = 512;
/// The longest long name, link target, or pax header.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// Bytes of an archive, one after the other.
pub(crate) trait Stream {
    /// What is here of them; nothing at their end.
    fn fill(&mut self) -> Result<&[u8]>;

    /// Goes on after so many of what is here.
    fn consume(&mut self, count: usize);
}

/// What an archive says of one entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: (i64, u32),
    /// Bytes of content that follow in the archive, before what fills up their last block.
    pub(crate) stored: u64,
    /// Where they go in a file that has holes.
    pub(crate) map: Option<Map>,
    /// Whether it had extended attributes.
    pub(crate) attributes: bool,
}

impl Entry {
    /// Bytes of the file, holes included.
    pub(crate) fn size(&self) -> u64 {
        self.map.as_ref().map_or(self.stored, Map::size)
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    Dir,
    File,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    /// A device or a fifo.
    Special,
}

/// What has been read of an archive that holds for what follows.
#[derive(Default)]
pub(crate) struct Reader {
    global: Extensions,
}

impl Reader {
    /// The next entry; `None` at the archive's end mark, or its end. Its content is to be read next, with [`content`].
    pub(crate) fn next(&mut self, from: &mut impl Stream) -> Result<Option<Entry>> {
        let mut said = Extensions::default();
        while let Some(header) = header(from)? {
            match header.kind() {
                b'L' => said.path = Some(until_nul(&extension(from, header.size()?)?).to_vec()),
                b'K' => said.link = Some(until_nul(&extension(from, header.size()?)?).to_vec()),
                b'x' => said.read(&extension(from, header.size()?)?)?,
                b'g' => self.global(&extension(from, header.size()?)?)?,
                _ => return self.entry(from, &header, said).map(Some),
            }
        }
        Ok(None)
    }

    fn global(&mut self, records: &[u8]) -> Result<()> {
        self.global.read(records)?;
        if self.global.sparse.is_some() {
            return Err(invalid("a tar archive has holes that all of its files share"));
        }
        Ok(())
    }

    fn entry(&self, from: &mut impl Stream, header: &Header, said: Extensions) -> Result<Entry> {
        let global = &self.global;
        let path = said.path.or_else(|| global.path.clone());
        let path = path.unwrap_or_else(|| header.name());
        let link = said.link.or_else(|| global.link.clone());
        let kind = kind(header, &path, link.unwrap_or_else(|| header.link().to_vec()))?;
        let mut stored = match kind {
            // Some archives say the size of the file that a hard link leads to; what they say of others has no content.
            Kind::Dir | Kind::File if !header.is_dir() => said.size.or(global.size).unwrap_or(header.size()?),
            _ => 0,
        };
        let map = match (&kind, header.kind() == b'S') {
            (Kind::File, true) => Some(sparse::of_header(header, from)?),
            (Kind::File, false) => said.sparse.map(|said| said.map(from, &mut stored)).transpose()?,
            _ => None,
        };
        let (name, map) = map.map_or((None, None), |(name, map)| (name, Some(map)));
        if let Some(map) = map.as_ref().filter(|map| map.stored() != stored) {
            let has = map.stored();
            return Err(invalid(format!(
                "a tar archive has {stored} bytes of a sparse file that has {has}"
            )));
        }
        Ok(Entry {
            path: name.unwrap_or(path),
            kind,
            mode: u32::try_from(header.mode()? & 0o7777).unwrap_or(0),
            uid: said.uid.or(global.uid).map_or_else(|| header.uid(), Ok)?,
            gid: said.gid.or(global.gid).map_or_else(|| header.gid(), Ok)?,
            mtime: said.mtime.or(global.mtime).map_or_else(|| header.mtime(), Ok)?,
            stored,
            map,
            attributes: said.attributes,
        })
    }
}

fn kind(header: &Header, path: &[u8], link: Vec<u8>) -> Result<Kind> {
    match header.kind() {
        b'5' => Ok(Kind::Dir),
        // Before there was a type for them, directories were files with a slash at the end.
        b'0' | 0 | b'7' if path.ends_with(b"/") => Ok(Kind::Dir),
        b'0' | 0 | b'7' | b'S' => Ok(Kind::File),
        b'1' => Ok(Kind::HardLink(link)),
        b'2' => Ok(Kind::Symlink(link)),
        b'3' | b'4' | b'6' => Ok(Kind::Special),
        other => Err(invalid(format!(
            "a tar archive has an entry of the unknown type {other:#04x}"
        ))),
    }
}

/// Hands on the content of an entry, as it comes, with its place in the file.
pub(crate) fn content(
    from: &mut impl Stream,
    entry: &Entry,
    mut to: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let whole = [(0, entry.stored)];
    let pieces = entry.map.as_ref().map_or(whole.as_slice(), Map::pieces);
    for (offset, length) in pieces {
        let mut at = *offset;
        copy(from, *length, |bytes| {
            to(at, bytes)?;
            at += bytes.len() as u64;
            Ok(())
        })?;
    }
    copy(from, padding(entry.stored), |_| Ok(()))
}

/// The next header; `None` at the archive's end.
fn header(from: &mut impl Stream) -> Result<Option<Header>> {
    if from.fill()?.is_empty() {
        return Ok(None);
    }
    Header::new(block(from)?)
}

fn block(from: &mut impl Stream) -> Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut rest = block.as_mut_slice();
    copy(from, BLOCK as u64, |bytes| {
        let (now, later) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        rest = later;
        Ok(())
    })?;
    Ok(block)
}

/// Hands on this many bytes, as they come.
fn copy(from: &mut impl Stream, mut count: u64, mut to: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    while count > 0 {
        let here = from.fill()?;
        let take = usize::try_from(count).unwrap_or(usize::MAX).min(here.len());
        if take == 0 {
            return Err(invalid("a tar archive ends within an entry"));
        }
        to(here.get(..take).unwrap_or_default())?;
        from.consume(take);
        count -= take as u64;
    }
    Ok(())
}

fn extension(from: &mut impl Stream, size: u64) -> Result<Vec<u8>> {
    if size > MAX_EXTENSION {
        return Err(invalid(format!(
            "a tar archive has a header of {size} bytes, more than {MAX_EXTENSION}"
        )));
    }
    let mut content = Vec::new();
    copy(from, size, |bytes| {
        content.extend_from_slice(bytes);
        Ok(())
    })?;
    copy(from, padding(size), |_| Ok(()))?;
    Ok(content)
}

/// What fills up the last block.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

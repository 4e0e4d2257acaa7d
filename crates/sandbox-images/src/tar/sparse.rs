//! Files with holes, in the four formats that tar has had for them: GNU's old one, and pax's 0.0, 0.1 and 1.0.

use super::header::{Header, number};
use super::pax::{bad, parsed};
use super::{BLOCK, Stream, block, copy, padding};
use crate::manifest::invalid;
use crate::{Error, ErrorKind, Result};

/// The most pieces of one file.
const MAX_PIECES: usize = 1 << 16;
/// The most digits of a number.
const MAX_DIGITS: usize = 20;

/// Where the content of a file is between its holes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Map {
    size: u64,
    /// Offsets and lengths, ascending and apart.
    pieces: Vec<(u64, u64)>,
}

impl Map {
    fn new(size: u64, pieces: Vec<(u64, u64)>) -> Result<Self> {
        let mut end = 0_u64;
        for (offset, length) in &pieces {
            let after = offset.checked_add(*length).filter(|after| *after <= size);
            match after {
                Some(after) if *offset >= end => end = after,
                _ => {
                    return Err(invalid(format!(
                        "a tar archive has a sparse file of {size} bytes with a piece of {length} at {offset}"
                    )));
                }
            }
        }
        Ok(Self { size, pieces })
    }

    /// Bytes of the file, holes included.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are not holes.
    pub(crate) fn stored(&self) -> u64 {
        // They are apart and end within the size, so that this cannot be too much.
        self.pieces.iter().map(|(_, length)| length).sum()
    }

    pub(crate) fn pieces(&self) -> &[(u64, u64)] {
        &self.pieces
    }
}

/// What pax headers say of a sparse file. In the versions 0 they have its map, in 1.0 its content starts with it.
#[derive(Default)]
pub(super) struct Said {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    major: u64,
    /// Offsets and lengths in turn.
    numbers: Vec<u64>,
}

impl Said {
    /// Takes a record's key, after what all of them begin with, and its value.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(parsed(value)?),
            b"major" => self.major = parsed(value)?,
            // In turn, with a key for each.
            b"offset" if self.numbers.len().is_multiple_of(2) => self.numbers.push(parsed(value)?),
            b"numbytes" if !self.numbers.len().is_multiple_of(2) => self.numbers.push(parsed(value)?),
            b"offset" | b"numbytes" => return Err(bad()),
            b"map" => {
                let numbers = value.split(|byte| *byte == b',').map(parsed);
                self.numbers = numbers.collect::<Result<_>>()?;
            }
            // The numbers of pieces and of minor versions say nothing that the rest does not.
            _ => {}
        }
        if self.numbers.len() > 2 * MAX_PIECES {
            return Err(too_many());
        }
        Ok(())
    }

    /// The file's name, where it is not the entry's, and its map; `stored` becomes what is left of the content.
    pub(super) fn map(mut self, from: &mut impl Stream, stored: &mut u64) -> Result<(Option<Vec<u8>>, Map)> {
        match self.major {
            0 => {}
            1 => self.numbers = numbers(from, stored)?,
            other => {
                return Err(invalid(format!(
                    "a tar archive has a sparse file in the unknown version {other}"
                )));
            }
        }
        let pairs = self.numbers.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(bad());
        }
        let pieces = pairs.filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
        let map = Map::new(self.size.ok_or_else(bad)?, pieces.collect())?;
        Ok((self.name, map))
    }
}

/// The map at the start of the content: how many pieces, then their numbers, a line for each, in whole blocks.
fn numbers(from: &mut impl Stream, stored: &mut u64) -> Result<Vec<u64>> {
    let mut lines = Lines {
        from,
        read: 0,
        stored: *stored,
    };
    let count = usize::try_from(lines.number()?).unwrap_or(usize::MAX);
    if count > MAX_PIECES {
        return Err(too_many());
    }
    let numbers = (0..2 * count).map(|_| lines.number()).collect::<Result<_>>()?;
    let read = lines.read;
    let rest = padding(read);
    *stored = stored.checked_sub(read + rest).ok_or_else(bad)?;
    copy(from, rest, |_| Ok(()))?;
    Ok(numbers)
}

struct Lines<'a, S> {
    from: &'a mut S,
    read: u64,
    stored: u64,
}

impl<S: Stream> Lines<'_, S> {
    fn number(&mut self) -> Result<u64> {
        let mut line = Vec::new();
        loop {
            let byte = self.byte()?;
            if byte == b'\n' {
                return parsed(&line);
            }
            line.push(byte);
            if line.len() > MAX_DIGITS {
                return Err(bad());
            }
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.from.fill()?.first().ok_or_else(bad)?;
        self.read += 1;
        if self.read > self.stored {
            return Err(bad());
        }
        self.from.consume(1);
        Ok(byte)
    }
}

/// The map in a header of GNU's old format, and in the blocks after it.
pub(super) fn of_header(header: &Header, from: &mut impl Stream) -> Result<(Option<Vec<u8>>, Map)> {
    let mut pieces = Vec::new();
    let mut more = add_pieces(header.sparse_map(), &mut pieces)?;
    while more {
        if pieces.len() > MAX_PIECES {
            return Err(too_many());
        }
        let block = block(from)?;
        more = add_pieces(block.get(..21 * 24 + 1).unwrap_or_default(), &mut pieces)?;
    }
    Ok((None, Map::new(header.sparse_size()?, pieces)?))
}

/// Adds the pieces that are told here, each an offset and a length; whether the last byte says that more follow.
fn add_pieces(told: &[u8], pieces: &mut Vec<(u64, u64)>) -> Result<bool> {
    let Some((more, fields)) = told.split_last() else {
        return Ok(false);
    };
    for field in fields.chunks_exact(24) {
        let (offset, length) = field.split_at(12);
        // The rest is not used.
        if offset.first() == Some(&0) {
            break;
        }
        pieces.push((number(offset)?, number(length)?));
    }
    Ok(*more != 0)
}

fn too_many() -> Error {
    let message = format!("a tar archive has a sparse file of more than {MAX_PIECES} pieces");
    Error::new(ErrorKind::TooLarge, message)
}

const _: () = assert!(21 * 24 < BLOCK);

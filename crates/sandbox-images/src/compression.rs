//! Compressed content, which is known by its first bytes.

use std::io::{self, BufRead, BufReader, Read};

use crate::manifest::invalid;
use crate::part::Part;
use crate::{Error, store};

/// Bytes handled at once.
pub(crate) const CHUNK: usize = 256 * 1024;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Whether this is how compressed content starts.
pub(crate) fn is_compressed(start: &[u8]) -> bool {
    start.starts_with(GZIP) || start.starts_with(ZSTD)
}

/// The content, decompressed if it was compressed. How much it becomes is the reader's to bound.
pub(crate) fn decompressed(content: Part) -> io::Result<Box<dyn Read>> {
    let mut content = BufReader::with_capacity(CHUNK, content);
    let start = content.fill_buf()?;
    Ok(if start.starts_with(GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(content))
    } else if start.starts_with(ZSTD) {
        Box::new(zstd::stream::read::Decoder::with_buffer(content)?)
    } else {
        Box::new(content)
    })
}

/// Reads a chunk, shorter than [`CHUNK`] only at the end.
pub(crate) fn chunk(content: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(CHUNK);
    content.take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

/// Why it cannot be read: only the kernel's errors have a number, a decoder's say that the content is wrong.
pub(crate) fn unreadable(what: &str, error: io::Error) -> Error {
    let message = format!("{what} cannot be read");
    match error.raw_os_error() {
        Some(_) => store::failed(message, error),
        None => invalid(message).with_source(error),
    }
}

//! The uncompressed bytes of a layer, made by a thread of their own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::Digest as _;

use super::too_many_bytes;
use crate::manifest::invalid;
use crate::{Digest, Result};

const CHUNK: usize = 256 * 1024;
/// Chunks that may wait; with the layer after it, a layer holds twice as much memory.
const WAITING: usize = 32;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

enum Piece {
    Bytes(Vec<u8>),
    /// Of everything, and how long it was.
    End(Digest, u64),
    Failed(io::Error),
    TooLong,
}

/// A layer's bytes as they come. Dropping it ends the thread, at the latest with the chunk it is at.
pub(super) struct Source {
    pieces: Receiver<Piece>,
    chunk: Vec<u8>,
    at: usize,
    end: Option<(Digest, u64)>,
    bound: u64,
}

impl Source {
    /// Starts to decompress; the compression is found out by looking.
    pub(super) fn start(blob: File, bound: u64) -> Result<Self> {
        let (sender, pieces) = sync_channel(WAITING);
        let run = move || {
            let end = decompress(blob, bound, &sender).unwrap_or_else(|e| Some(Piece::Failed(e)));
            // An error means that nobody reads any more.
            end.map(|end| sender.send(end));
        };
        std::thread::Builder::new()
            .name("images-layer".into())
            .spawn(run)
            .map_err(|e| crate::store::failed("a layer cannot be decompressed", e))?;
        Ok(Self {
            pieces,
            chunk: Vec::new(),
            at: 0,
            end: None,
            bound,
        })
    }

    /// What is here of the layer; nothing at its end.
    pub(super) fn fill(&mut self) -> Result<&[u8]> {
        while self.at >= self.chunk.len() && self.end.is_none() {
            match self.pieces.recv() {
                Ok(Piece::Bytes(chunk)) => (self.chunk, self.at) = (chunk, 0),
                Ok(Piece::End(digest, bytes)) => self.end = Some((digest, bytes)),
                Ok(Piece::Failed(e)) => return Err(invalid("a layer cannot be decompressed").with_source(e)),
                Ok(Piece::TooLong) => return Err(too_many_bytes(self.bound)),
                Err(e) => return Err(invalid("a layer cannot be decompressed").with_source(e)),
            }
        }
        Ok(self.chunk.get(self.at..).unwrap_or_default())
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.at += count;
    }

    /// Reads what follows the archive, and says what all of it was.
    pub(super) fn finish(mut self) -> Result<(Digest, u64)> {
        loop {
            let count = self.fill()?.len();
            if let (0, Some(end)) = (count, self.end) {
                return Ok(end);
            }
            self.consume(count);
        }
    }
}

/// The last piece to send, if anybody listens still.
fn decompress(blob: File, bound: u64, sender: &SyncSender<Piece>) -> io::Result<Option<Piece>> {
    let mut blob = BufReader::with_capacity(CHUNK, blob);
    let start = blob.fill_buf()?;
    let mut bytes: Box<dyn Read> = if start.starts_with(GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(blob))
    } else if start.starts_with(ZSTD) {
        Box::new(zstd::stream::read::Decoder::with_buffer(blob)?)
    } else {
        Box::new(blob)
    };
    let (mut hash, mut total) = (sha2::Sha256::new(), 0_u64);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let count = (&mut bytes).take(CHUNK as u64).read_to_end(&mut chunk)?;
        if count == 0 {
            return Ok(Some(Piece::End(<[u8; 32]>::from(hash.finalize()).into(), total)));
        }
        total += count as u64;
        if total > bound {
            return Ok(Some(Piece::TooLong));
        }
        hash.update(&chunk);
        if sender.send(Piece::Bytes(chunk)).is_err() {
            return Ok(None);
        }
    }
}

//! The uncompressed bytes of a layer, made by a thread of their own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::Digest as _;

use super::too_many_bytes;
use crate::compression::{self, decompressed};
use crate::manifest::invalid;
use crate::part::Part;
use crate::tar::Stream;
use crate::{Digest, Result};

/// Chunks that may wait; with the layer after it, a layer holds twice as much memory.
const WAITING: usize = 32;

/// The bytes that all layers of an image may have together.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    bound: u64,
    left: Arc<AtomicU64>,
}

impl Budget {
    pub(super) fn new(bound: u64) -> Self {
        let left = Arc::new(AtomicU64::new(bound));
        Self { bound, left }
    }

    /// Takes so many bytes; whether there were as many.
    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

enum Piece {
    Bytes(Vec<u8>),
    /// The digest of everything.
    End(Digest),
    Failed(io::Error),
    TooLong,
}

/// A layer's bytes as they come. Dropping it ends the thread, at the latest with the chunk it is at.
pub(super) struct Source {
    pieces: Receiver<Piece>,
    chunk: Vec<u8>,
    at: usize,
    end: Option<Digest>,
    bound: u64,
}

impl Source {
    /// Starts to decompress; the compression is found out by looking.
    pub(super) fn start(blob: Part, budget: &Budget) -> Result<Self> {
        let (sender, pieces) = sync_channel(WAITING);
        let (bound, budget) = (budget.bound, budget.clone());
        let run = move || {
            let end = decompress(blob, &budget, &sender).unwrap_or_else(|e| Some(Piece::Failed(e)));
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

    /// Reads what follows the archive, and says what all of it was.
    pub(super) fn finish(mut self) -> Result<Digest> {
        loop {
            let count = self.fill()?.len();
            if let (0, Some(end)) = (count, self.end) {
                return Ok(end);
            }
            self.consume(count);
        }
    }
}

impl Stream for Source {
    fn fill(&mut self) -> Result<&[u8]> {
        while self.at >= self.chunk.len() && self.end.is_none() {
            match self.pieces.recv() {
                Ok(Piece::Bytes(chunk)) => (self.chunk, self.at) = (chunk, 0),
                Ok(Piece::End(digest)) => self.end = Some(digest),
                Ok(Piece::Failed(e)) => return Err(compression::unreadable("a layer", e)),
                Ok(Piece::TooLong) => return Err(too_many_bytes(self.bound)),
                Err(e) => return Err(invalid("a layer cannot be decompressed").with_source(e)),
            }
        }
        Ok(self.chunk.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

/// The last piece to send, if anybody listens still.
fn decompress(blob: Part, budget: &Budget, sender: &SyncSender<Piece>) -> io::Result<Option<Piece>> {
    let mut bytes = decompressed(blob)?;
    let mut hash = sha2::Sha256::new();
    loop {
        let chunk = compression::chunk(&mut bytes)?;
        if chunk.is_empty() {
            return Ok(Some(Piece::End(<[u8; 32]>::from(hash.finalize()).into())));
        }
        if !budget.take(chunk.len() as u64) {
            return Ok(Some(Piece::TooLong));
        }
        hash.update(&chunk);
        if sender.send(Piece::Bytes(chunk)).is_err() {
            return Ok(None);
        }
    }
}

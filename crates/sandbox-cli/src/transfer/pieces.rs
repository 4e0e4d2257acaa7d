//! Bytes between a thread that reads or writes an archive and the connection.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::{Receiver, Sender};

use super::PIECE;

/// How many pieces wait for the other side.
pub(super) const WAITING: usize = 8;

/// What arrives, for a thread that reads.
pub(super) struct Incoming {
    pieces: Receiver<Bytes>,
    current: Bytes,
}

impl Incoming {
    pub(super) fn new(pieces: Receiver<Bytes>) -> Self {
        let current = Bytes::new();
        Self { pieces, current }
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        (&mut self.current).reader().read(buffer)
    }
}

/// What is sent, for a thread that writes.
pub(super) struct Outgoing {
    pieces: Sender<io::Result<Bytes>>,
    current: BytesMut,
}

impl Outgoing {
    pub(super) fn new(pieces: Sender<io::Result<Bytes>>) -> Self {
        let current = BytesMut::new();
        Self { pieces, current }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.current.extend_from_slice(bytes);
        if self.current.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = self.current.split().freeze();
        if piece.is_empty() {
            return Ok(());
        }
        let sent = self.pieces.blocking_send(Ok(piece));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

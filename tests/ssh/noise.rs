//! Bytes whose order and completeness can be told.

use bytes::Bytes;

/// A prime, so that pieces of usual sizes meet other bytes each time round.
const PERIOD: usize = (1 << 20) + 7;

/// The longest piece.
const PIECE: usize = 64 << 10;

/// Endless bytes without a pattern that a mistake in order would keep; cheap to clone.
#[derive(Clone)]
pub(crate) struct Noise(Bytes);

impl Noise {
    pub(crate) fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(PERIOD).collect();
        bytes.extend_from_within(..PIECE);
        Self(bytes.into())
    }

    /// All of it up to `size`, piece by piece.
    pub(crate) fn pieces(&self, size: u64) -> impl Iterator<Item = Bytes> + use<> {
        let noise = self.0.clone();
        (0..size).step_by(PIECE).map(move |at| {
            let start = (at % PERIOD as u64) as usize;
            noise.slice(start..start + (size - at).min(PIECE as u64) as usize)
        })
    }

    /// What comes in is compared with all of it up to `size`.
    pub(crate) fn expect(&self, size: u64) -> Expected {
        Expected {
            noise: self.clone(),
            at: 0,
            size,
        }
    }
}

pub(crate) struct Expected {
    noise: Noise,
    at: u64,
    size: u64,
}

impl Expected {
    #[track_caller]
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let start = (self.at % PERIOD as u64) as usize;
            let (piece, rest) = bytes.split_at(bytes.len().min(PIECE));
            assert!(
                self.noise.0[start..start + piece.len()] == *piece,
                "other bytes after {}",
                self.at
            );
            self.at += piece.len() as u64;
            bytes = rest;
        }
    }

    #[track_caller]
    pub(crate) fn end(self) {
        assert_eq!(self.at, self.size, "bytes are missing, or too many");
    }
}

//! Inputs that are almost like others.

use fastrand::Rng;

/// What numbers, lengths and ends of text have gone wrong with before.
const TRICKY: [&[u8]; 12] = [
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xc3\x28",
    b"\xf0\x9f\x98\x80",
    b"-1",
    b"18446744073709551616",
    b"%00",
    b"\\u0000",
    b"\xed\xa0\x80",
];

/// The longest input that is made.
const LONGEST: usize = 16 << 10;

/// Endless, and the same for the same seeds.
pub(crate) struct Mutations<'a> {
    seeds: &'a [Vec<u8>],
    random: Rng,
}

impl<'a> Mutations<'a> {
    pub(crate) fn of(seeds: &'a [Vec<u8>]) -> Self {
        Self {
            seeds,
            random: Rng::with_seed(1),
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.usize(..=input.len());
        let end = self.random.usize(at..=input.len().min(at + 64));
        match self.random.u8(..7) {
            0 => drop(input.drain(at..end)),
            1 => input.truncate(at),
            2 => {
                let tricky = self.random.choice(TRICKY).unwrap_or_default();
                input.splice(at..at, tricky.iter().copied());
            }
            3 => {
                let piece = input[at..end].repeat(self.random.usize(1..64));
                input.splice(at..at, piece);
            }
            4 => {
                // The end of another one.
                let other = &self.seeds[self.random.usize(..self.seeds.len())];
                let from = self.random.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            5 => {
                for byte in &mut input[at..end] {
                    *byte = self.random.u8(..);
                }
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.random.u8(..8);
                }
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut input = self.seeds[self.random.usize(..self.seeds.len())].clone();
        for _ in 0..self.random.usize(1..=4) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        Some(input)
    }
}

//! What can happen to bytes between a client and a server.

use fastrand::Rng;

/// What becomes of one exchange: of a request and its answer, or of all that goes through a tunnel.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// On the way from the client.
    pub to_server: Course,
    /// On the way to the client.
    pub to_client: Course,
}

/// How bytes travel in one direction.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// In which pieces.
    pub pieces: Pieces,
    /// And how far.
    pub end: Option<End>,
}

/// In which pieces bytes travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pieces {
    /// As they come.
    #[default]
    Whole,
    /// The first so many one by one.
    Single(usize),
    /// Of random sizes, with random pauses: the same ones for the same seed.
    Random(u64),
    /// The answer to a `CONNECT` waits for the first line of what comes through the tunnel, and goes with it.
    Glued,
}

/// The end of an exchange, and of its connection, in the place of the bytes that come after the first `after` ones.
#[derive(Clone, Debug)]
pub struct End {
    /// Bytes that still arrive.
    pub after: u64,
    /// How it ends.
    pub how: How,
}

/// How an exchange ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Both connections are closed, in order.
    Close,
    /// Both are reset.
    Reset,
    /// Nothing more passes, and both stay.
    Stall,
    /// As `Stall`; and each end is as if the other had been switched off: nothing that its kernel sends is acknowledged
    /// or refused any more.
    Vanish,
    /// The client is told this instead, and its connection is closed in order.
    Say(Vec<u8>),
    /// The client is told the first, and then the second for ever.
    SayForEver(Vec<u8>, Vec<u8>),
}

impl Fault {
    /// Nothing happens.
    pub fn none() -> Self {
        Self::default()
    }

    /// The answer ends after so many bytes. By then the server has done what it was asked to do.
    pub fn answer(after: u64, how: How) -> Self {
        Self {
            to_client: Course {
                end: Some(End { after, how }),
                ..Course::default()
            },
            ..Self::default()
        }
    }

    /// The request ends after so many bytes.
    pub fn request(after: u64, how: How) -> Self {
        Self {
            to_server: Course {
                end: Some(End { after, how }),
                ..Course::default()
            },
            ..Self::default()
        }
    }

    /// The server's answer is replaced.
    pub fn say(answer: impl Into<Vec<u8>>) -> Self {
        Self::answer(0, How::Say(answer.into()))
    }

    /// Both directions in other pieces.
    #[must_use]
    pub fn in_pieces(mut self, pieces: Pieces) -> Self {
        self.to_server.pieces = pieces;
        self.to_client.pieces = pieces;
        self
    }

    /// Something that can happen, the same for the same seed: any pieces, and mostly an end, which is early or late but
    /// not after more than `most` bytes.
    pub fn random(seed: u64, most: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let pieces = match rng.u8(..4) {
            0 => Pieces::Whole,
            1 => Pieces::Single(rng.usize(1..600)),
            _ => Pieces::Random(rng.u64(..)),
        };
        let how = match rng.u8(..6) {
            0 => return Self::none().in_pieces(pieces),
            1 | 2 => How::Close,
            3 | 4 => How::Reset,
            _ => How::Stall,
        };
        // As likely within the first hundred bytes as within the last thousands.
        let scale = rng.u32(..=most.checked_ilog2().unwrap_or(0));
        let after = rng.u64(..=most >> scale);
        let fault = if rng.bool() {
            Self::answer(after, how)
        } else {
            Self::request(after, how)
        };
        fault.in_pieces(pieces)
    }
}

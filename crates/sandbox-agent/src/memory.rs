//! How much memory an agent takes for its peers.
//!
//! An agent is bounded because nothing in it grows with the amount of data that passes, only with the numbers of
//! connections and channels, which are [limited](crate::AgentLimits). Beyond what it takes to run at all, and 2 MiB at
//! most that its allocator keeps for the next buffers, it holds
//!
//! - for each connection [`PER_CONNECTION`]: what its peer has not taken yet, what came while a command did not read
//!   its input and, until then, what is read at full speed before reading slows down;
//! - for each connection that several channels share [`SHARING`] more, since one that is not read must not slow down
//!   the others soon;
//! - for each open channel [`PER_CHANNEL`]: a buffer for each output, and a piece of input under way;
//! - for each channel that a connection ever had [`PER_ENDED_CHANNEL`], since the protocol library forgets them with
//!   the connection only. So a connection opens [`CHANNELS`] in its life and no more.
//!
//! A peer that goes on sending to a command that never reads is read at 16 KiB per second, and what it has sent is kept
//! beyond these: up to 64 MiB for a channel and 128 MiB for all connections together, and then the channel ends. All of
//! it is memory of the sandbox, and counts towards the sandbox's limit.

use crate::{
    flow::{CREDIT, MARK_ALONE, MARK_SHARED},
    outlet::PIECE,
};

/// Bytes kept for a peer that does not read, beyond which its connection ends. Outputs wait long before
/// ([`sandbox_tunnel::transport`]), so that these are answers to requests whose sender does not read them.
pub(crate) const UNSENT: usize = 4 << 20;

/// Bytes that one connection takes.
pub const PER_CONNECTION: usize = UNSENT + MARK_ALONE + CREDIT as usize;

/// Bytes that a connection takes beyond that while it has several channels.
pub const SHARING: usize = MARK_SHARED - MARK_ALONE;

/// Bytes that one open channel takes.
pub const PER_CHANNEL: usize = 4 * PIECE;

/// Bytes that a channel which has ended takes until its connection ends.
pub const PER_ENDED_CHANNEL: usize = 4 << 10;

/// Channels that one connection may open in its life.
pub const CHANNELS: usize = 1 << 14;

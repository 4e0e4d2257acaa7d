//! What a backend tells its watchers.

use super::{Record, SessionId};

/// A change in a backend.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A session was made or changed.
    Upsert(Box<Record>),
    /// A session is gone.
    Removed {
        /// Which session.
        id: SessionId,
        /// Why it is gone.
        reason: Removal,
    },
    /// Events were missed: list again.
    Resync,
}

/// Why a session is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// Somebody destroyed it before its time was up.
    Destroyed,
    /// Its time was up.
    Expired,
    /// Its sandbox ended by itself.
    Died,
}

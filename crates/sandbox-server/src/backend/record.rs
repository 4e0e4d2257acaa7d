//! What a backend keeps about a session.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::SessionId;

/// Whose session it is: the name of a token, never the token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// The owner of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The image of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What the caller asked for and sees.
    pub name: String,
    /// What the backend runs: one of its [`images`](super::Capabilities::images), or the whole name of an OCI image.
    pub reference: String,
}

/// Tells requests apart without holding what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(Uuid);

impl Fingerprint {
    /// The fingerprint of what has this digest.
    #[must_use]
    pub fn from_digest(digest: [u8; 16]) -> Self {
        Self(uuid::Builder::from_custom_bytes(digest).into_uuid())
    }
}

/// What a session is to be made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Whose it is.
    pub owner: Owner,
    /// What it is made from.
    pub image: Image,
    /// How long it lives, counted from its creation.
    pub ttl: Duration,
    /// The owner's own words about it.
    pub metadata: Map<String, Value>,
    /// The only key, beside the server's own, that may log in; an OpenSSH public key line. Without it no key is
    /// asked for.
    pub ssh_public_key: Option<String>,
    /// The request it is made for, when that may be repeated.
    pub request: Option<Fingerprint>,
}

/// What is known about a session. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub owner: Owner,
    /// What it was made from.
    pub image: Image,
    /// The owner's own words about it.
    pub metadata: Map<String, Value>,
    /// The key that may log in, if one was registered.
    pub ssh_public_key: Option<String>,
    /// The public key its agent proves itself with; an OpenSSH public key line.
    pub ssh_host_key: String,
    /// The request it was made for, when that may be repeated. Records of earlier servers have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Fingerprint>,
    /// When it was made, to the millisecond.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself, to the millisecond.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, as far as that has been written down.
    pub last_activity_at: Option<DateTime<Utc>>,
    /// Whether it runs.
    pub state: State,
    /// Counts the changes of this record.
    pub revision: Revision,
}

impl Record {
    /// Whether its time is up.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }
}

/// Whether a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its processes run.
    Running,
    /// Its processes are stopped.
    Paused,
}

/// A version of a record: equal revisions of one session mean equal records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// The revision of a new record.
    pub const FIRST: Self = Self(1);

    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A change of a record; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// When the session is to end.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used.
    pub last_activity_at: Option<DateTime<Utc>>,
}

/// Which sessions to list; the default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Only this owner's.
    pub owner: Option<Owner>,
    /// Only those whose time is up at this instant.
    pub expired_at: Option<DateTime<Utc>>,
}

impl Query {
    /// Whether a session is asked for.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        self.owner.as_ref().is_none_or(|owner| *owner == record.owner)
            && self.expired_at.is_none_or(|instant| record.is_expired(instant))
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many matching sessions to skip.
    pub offset: u64,
    /// How many to answer at most.
    pub limit: u32,
}

impl Page {
    /// Everything from the start.
    pub const ALL: Self = Self {
        offset: 0,
        limit: u32::MAX,
    };
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The sessions of this page.
    pub records: Vec<Record>,
    /// How many match on all pages together.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Value {
        json!({
            "id": "550e8400-e29b-41d4-a716-446655440000",
            "owner": "alice",
            "image": {"name": "host", "reference": "host"},
            "metadata": {},
            "ssh_public_key": null,
            "ssh_host_key": "ssh-ed25519 AAAA",
            "created_at": "2026-01-01T12:00:00.500Z",
            "expires_at": "2026-01-01T13:00:00.500Z",
            "last_activity_at": null,
            "state": "running",
            "revision": 1,
        })
    }

    #[test]
    fn a_record_without_a_request_is_read_and_written_as_it_always_was() {
        let read: Record = serde_json::from_value(record()).unwrap();
        assert_eq!(read.request, None);
        assert_eq!(serde_json::to_value(&read).unwrap(), record());
    }

    #[test]
    fn a_record_keeps_its_request() {
        let mut kept: Record = serde_json::from_value(record()).unwrap();
        kept.request = Some(Fingerprint::from_digest([7; 16]));
        let read: Record = serde_json::from_slice(&serde_json::to_vec(&kept).unwrap()).unwrap();
        assert_eq!(read, kept);
    }
}

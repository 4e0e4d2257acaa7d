//! What an image says of itself.

use std::time::SystemTime;

use crate::{Digest, ImageName};

/// What of an image's configuration a sandbox honours.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ImageConfig {
    /// Environment variables, in the image's order.
    pub env: Vec<(String, String)>,
    /// Where commands start, when the image says so.
    pub working_dir: Option<String>,
}

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The digest of its manifest, or of what was imported in its place.
    pub digest: Digest,
    /// The names it goes by, sorted; an image whose names were given to others has none.
    pub names: Vec<ImageName>,
    /// Bytes of the contents of its files, and of the blobs that no other image has.
    pub bytes: u64,
    /// When it was unpacked.
    pub created: SystemTime,
    /// When a session was last made of it.
    pub used: SystemTime,
    /// Whether anything, in whatever process, holds a lease on it.
    pub in_use: bool,
}

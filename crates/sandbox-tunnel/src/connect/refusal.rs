use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// What a server, or a proxy, answered instead of opening a tunnel.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// The status of the answer; not a success.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, the first 64 KiB at the most.
    pub body: Bytes,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)
    }
}

impl std::error::Error for Refusal {}

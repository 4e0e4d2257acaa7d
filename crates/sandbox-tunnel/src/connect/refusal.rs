use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// What a server, or a proxy, answered instead of opening a tunnel.
///
/// ```no_run
/// use http::{StatusCode, header::RETRY_AFTER};
/// use sandbox_tunnel::{Refusal, Tunnel, TunnelConfig};
///
/// /// Whether it is worth asking again, and after how many seconds.
/// fn pause(refusal: &Refusal) -> Option<&str> {
///     (refusal.status == StatusCode::TOO_MANY_REQUESTS)
///         .then(|| refusal.headers.get(RETRY_AFTER)?.to_str().ok())
///         .flatten()
/// }
/// # async fn example(config: TunnelConfig) {
/// if let Err(error) = Tunnel::open(&config).await {
///     println!("{:?}", error.refusal().and_then(pause));
/// }
/// # }
/// ```
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

use std::time::Duration;

use http::{HeaderValue, Uri};

use super::{Proxies, Tls, bearer};
use crate::{Error, ErrorKind, Keepalive, Phase};

/// Where a [`Tunnel`](crate::Tunnel) leads, and how to get there.
///
/// ```
/// use http::HeaderValue;
/// use sandbox_tunnel::{ErrorKind, Proxies, TunnelConfig};
///
/// let url = "https://api.sandbox.example.com/v1/sessions/550e8400-e29b-41d4-a716-446655440000";
/// let mut config = TunnelConfig::new(url, "your-token-here")?;
/// config.user_agent = Some(HeaderValue::from_static("grader/2.1"));
/// config.proxies = Proxies::from_env();
///
/// let error = TunnelConfig::new("/v1/sessions", "your-token-here").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidConfig);
/// # Ok::<(), sandbox_tunnel::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TunnelConfig {
    pub(super) url: Uri,
    pub(super) authorization: HeaderValue,
    /// The header `User-Agent`; none is sent without it (default).
    pub user_agent: Option<HeaderValue>,
    /// Whose certificates are trusted (default: those of the system's authorities).
    pub tls: Tls,
    /// The proxies to go through (default: none).
    pub proxies: Proxies,
    /// How long each phase may take.
    pub timeouts: TunnelTimeouts,
    /// How the kernel notices that the other end is gone from a quiet connection (TCP keepalive), rounded up to seconds;
    /// `None` leaves that to whoever uses the tunnel.
    pub keepalive: Option<Keepalive>,
}

/// How long each phase of opening a tunnel may take.
///
/// ```
/// use std::time::Duration;
/// use sandbox_tunnel::{TunnelConfig, TunnelTimeouts};
///
/// let mut config = TunnelConfig::new("http://localhost:8080/v1/sessions/ID", "your-token-here")?;
/// assert_eq!(config.timeouts, TunnelTimeouts::default());
/// config.timeouts.connect = Duration::from_secs(3);
/// # Ok::<(), sandbox_tunnel::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelTimeouts {
    /// Finding the addresses of a host (default 10 s).
    pub resolve: Duration,
    /// Connecting to one of its addresses, all attempts together (default 10 s).
    pub connect: Duration,
    /// The TLS handshake (default 10 s).
    pub tls: Duration,
    /// From the request for a tunnel to its answer (default 30 s).
    pub answer: Duration,
}

impl TunnelConfig {
    /// A tunnel to what `url` names, such as `https://api.sandbox.example.com/v1/sessions/SESSION_ID`: the scheme says
    /// whether it is over TLS, and the path is the target.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for a URL that is not absolute or neither `http` nor `https`, and for a token that
    /// no header can hold. Neither is quoted.
    pub fn new(url: &str, token: &str) -> Result<Self, Error> {
        let authorization =
            bearer(token).ok_or_else(|| invalid("the token has characters that no header has"))?;
        Self::authorized_by(url, authorization)
    }

    /// As [`new`](Self::new), with the whole value of the header `Authorization`.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use sandbox_tunnel::TunnelConfig;
    ///
    /// let header = HeaderValue::from_static("Bearer your-token-here");
    /// let config = TunnelConfig::authorized_by("http://localhost:8080/v1/sessions/ID", header)?;
    /// # Ok::<(), sandbox_tunnel::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] for a URL that is not absolute or neither `http` nor `https`. It is not quoted.
    pub fn authorized_by(url: &str, mut authorization: HeaderValue) -> Result<Self, Error> {
        authorization.set_sensitive(true);
        let url: Uri = url.parse().map_err(|_| invalid("the URL cannot be read"))?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
            return Err(invalid(
                "the URL has to start with http:// or https://, and a host",
            ));
        }
        Ok(Self {
            url,
            authorization,
            user_agent: None,
            tls: Tls::default(),
            proxies: Proxies::none(),
            timeouts: TunnelTimeouts::default(),
            keepalive: Some(Keepalive::default()),
        })
    }
}

fn invalid(what: &'static str) -> Error {
    Error::caused_by(Phase::Resolve, ErrorKind::InvalidConfig, what)
}

impl Default for TunnelTimeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            answer: Duration::from_secs(30),
        }
    }
}

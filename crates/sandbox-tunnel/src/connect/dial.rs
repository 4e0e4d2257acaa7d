//! From a name to a TCP connection.

use std::{io, net::SocketAddr, time::Duration};

use http::Uri;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::{BoxIo, TunnelConfig};
use crate::{Error, ErrorKind, Keepalive, Phase};

/// What Linux takes; others take as much.
const LONGEST_SECONDS: u128 = 32767;
const MOST_ATTEMPTS: u32 = 127;

/// A host and a port.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl Endpoint {
    /// What a URL names, with the port of its scheme unless it says another.
    pub(super) fn of(url: &Uri) -> Result<Self, Error> {
        let host = url.host().unwrap_or_default();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
            .to_owned();
        let usual = match url.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => {
                let cause = "only http and https are supported, for proxies, too";
                return Err(Error::caused_by(Phase::Resolve, ErrorKind::InvalidConfig, cause));
            }
        };
        Ok(Self {
            host,
            port: url.port_u16().unwrap_or(usual),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// As a proxy wants to hear it.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

pub(super) async fn dial(endpoint: &Endpoint, config: &TunnelConfig) -> Result<BoxIo, Error> {
    let unknown = |error| Error::caused_by(Phase::Resolve, ErrorKind::Unreachable, error);
    let addresses = timeout(
        config.timeouts.resolve,
        lookup_host((endpoint.host.as_str(), endpoint.port)),
    )
    .await
    .map_err(|_| Error::new(Phase::Resolve, ErrorKind::TimedOut))?
    .map_err(unknown)?
    .collect::<Vec<_>>();
    let stream = connect(&addresses, Instant::now() + config.timeouts.connect).await?;
    // Keystrokes go out as they come. A socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    if let Some(keepalive) = config.keepalive {
        let _ = ask_when_quiet(&stream, keepalive);
    }
    Ok(Box::new(stream))
}

fn ask_when_quiet(stream: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    // Kernels count seconds, and none of them takes zero.
    let seconds = keepalive
        .interval
        .as_millis()
        .div_ceil(1000)
        .clamp(1, LONGEST_SECONDS);
    let interval = Duration::from_secs(seconds as u64);
    let attempts = u32::try_from(keepalive.attempts)
        .unwrap_or(u32::MAX)
        .clamp(1, MOST_ATTEMPTS);
    let settings = TcpKeepalive::new()
        .with_time(interval)
        .with_interval(interval)
        .with_retries(attempts);
    SockRef::from(stream).set_tcp_keepalive(&settings)
}

/// The first address that answers. None is given more than its share of the time, so that one that swallows everything
/// leaves some for the others.
async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
    let mut failure = Error::caused_by(
        Phase::Connect,
        ErrorKind::Unreachable,
        io::Error::from(io::ErrorKind::NotFound),
    );
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(u32::MAX);
        failure = match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Error::caused_by(Phase::Connect, ErrorKind::Unreachable, error),
            Err(_) => Error::new(Phase::Connect, ErrorKind::TimedOut),
        };
    }
    Err(failure)
}

//! How to connect and authenticate.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::KnownHosts;

use russh::{Preferred, SshId, cipher, client, compression, kex, keys::PrivateKey, keys::PublicKey};
use secrecy::SecretString;

use crate::unread::MESSAGES;

/// Bytes of data in one packet of SSH that a server may send: with twice the usual 32 KiB, what a packet costs beside its
/// bytes is paid half as often. The library holds more for a mistake.
pub(crate) const MAX_PACKET: u32 = 65535;

/// Everything [`SshClient::connect`](crate::SshClient::connect) needs beside the stream.
///
/// ```
/// use sandbox_tunnel::{Auth, HostKey, Keepalive, SshConfig};
///
/// let mut config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
/// assert_eq!(config.keepalive, Some(Keepalive::default()));
/// config.keepalive = None;
/// config.window_size = 8 << 20; // the server is far away
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SshConfig {
    /// The user to authenticate as.
    pub user: String,
    /// How to authenticate.
    pub auth: Auth,
    /// Which host key to accept.
    pub host_key: HostKey,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// How a dead peer is noticed on a quiet connection; `None` waits for ever.
    pub keepalive: Option<Keepalive>,
    /// Bytes the server may send on a channel before we acknowledge any (default 2 MiB). Throughput of one
    /// channel is at most this per round trip, so far-away servers want more.
    pub window_size: u32,
}

/// How to authenticate.
///
/// ```
/// use std::sync::Arc;
/// use sandbox_tunnel::{Auth, keys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = Auth::Key(Arc::new(keys::generate()?));
/// let password = Auth::Password("your-password-here".into());
/// assert_eq!(format!("{key:?} {password:?}"), "Key(…) Password(…)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Auth {
    /// Ask to be let in without proof.
    None,
    /// Prove possession of a key.
    Key(Arc<PrivateKey>),
    /// Prove possession of any of the keys that the SSH agent has at `SSH_AUTH_SOCK`.
    #[cfg(unix)]
    Agent,
    /// Send a password.
    Password(SecretString),
}

/// Which host key to accept.
///
/// ```
/// use sandbox_tunnel::{HostKey, keys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let known = keys::generate()?.public_key().to_openssh()?; // a line of `known_hosts`
/// let host_key = HostKey::Pinned(known.parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HostKey {
    /// Exactly this one.
    Pinned(PublicKey),
    /// Those that a file knows for the server.
    Known(KnownHosts),
    /// Any: whoever holds the other end of the stream is trusted.
    AcceptAny,
}

/// How long each phase may take.
///
/// ```
/// use std::time::Duration;
/// use sandbox_tunnel::{Auth, HostKey, SshConfig, Timeouts};
///
/// let mut config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
/// assert_eq!(config.timeouts, Timeouts::default());
/// config.timeouts.key_exchange = Duration::from_secs(3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Version and key exchange (default 10 s).
    pub key_exchange: Duration,
    /// Authentication (default 10 s).
    pub authentication: Duration,
    /// Opening one channel (default 10 s).
    pub channel_open: Duration,
    /// From the request for a command to the server's word that it runs (default 30 s).
    pub start: Duration,
    /// One SFTP request, rounded up to seconds (default 60 s).
    pub sftp_request: Duration,
}

/// Asks a peer that has said nothing for `interval` whether it is still there; gives up after `attempts`
/// silent ones.
///
/// ```
/// use std::time::Duration;
/// use sandbox_tunnel::{Auth, HostKey, Keepalive, SshConfig};
///
/// let mut config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
/// config.keepalive = Some(Keepalive { interval: Duration::from_secs(5), attempts: 2 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence before a question is asked.
    pub interval: Duration,
    /// Unanswered questions before the connection is given up.
    pub attempts: usize,
}

impl SshConfig {
    /// A configuration with default timeouts, keepalive and window.
    #[must_use]
    pub fn new(user: impl Into<String>, auth: Auth, host_key: HostKey) -> Self {
        Self {
            user: user.into(),
            auth,
            host_key,
            timeouts: Timeouts::default(),
            keepalive: Some(Keepalive::default()),
            window_size: 2 << 20,
        }
    }

    pub(crate) fn russh(&self) -> client::Config {
        client::Config {
            client_id: SshId::Standard(Cow::Borrowed(concat!(
                "SSH-2.0-sandbox_",
                env!("CARGO_PKG_VERSION")
            ))),
            window_size: self.window_size,
            maximum_packet_size: MAX_PACKET,
            // What is unread is counted in bytes, see `unread.rs`.
            channel_buffer_size: MESSAGES,
            preferred: preferred(),
            keepalive_interval: self.keepalive.map(|k| k.interval),
            keepalive_max: self.keepalive.map_or(0, |k| k.attempts),
            ..client::Config::default()
        }
    }
}

/// Fast and safe first; the rest of the library's defaults stay for servers that know no better.
fn preferred() -> Preferred {
    let defaults = Preferred::default();
    Preferred {
        kex: first(&[kex::CURVE25519, kex::CURVE25519_PRE_RFC_8731], &defaults.kex),
        cipher: first(&[cipher::AES_256_GCM, cipher::AES_128_GCM], &defaults.cipher),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..defaults
    }
}

fn first<T: Copy + PartialEq>(wanted: &[T], others: &[T]) -> Cow<'static, [T]> {
    let rest = others.iter().filter(|other| !wanted.contains(other));
    Cow::Owned(wanted.iter().chain(rest).copied().collect())
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            key_exchange: Duration::from_secs(10),
            authentication: Duration::from_secs(10),
            channel_open: Duration::from_secs(10),
            start: Duration::from_secs(30),
            sftp_request: Duration::from_secs(60),
        }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            attempts: 3,
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Key(_) => "Key(…)",
            #[cfg(unix)]
            Self::Agent => "Agent",
            Self::Password(_) => "Password(…)",
        })
    }
}

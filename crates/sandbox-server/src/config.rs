//! How to run a server.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::Limits;
use crate::backend::embedded::{ImageStore, Lifetime};
use crate::service::TunnelBounds;
use crate::tls::TlsIdentity;
use crate::tokens::Tokens;

/// How to run a [`Server`](crate::Server).
///
/// ```
/// use sandbox_server::{Lifetime, ServerConfig, Tokens};
///
/// let token = Tokens::generate();
/// let config = ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir())
///     .lifetime(Lifetime::Ephemeral)
///     .max_sessions(10);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ServerConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) tokens: Tokens,
    pub(crate) state_dir: PathBuf,
    pub(crate) lifetime: Lifetime,
    pub(crate) image_aliases: BTreeMap<String, String>,
    pub(crate) shared_paths: Vec<PathBuf>,
    pub(crate) images: Option<ImageStore>,
    pub(crate) limits: Limits,
    pub(crate) rate_limit: NonZeroU32,
    pub(crate) max_sessions: usize,
    pub(crate) max_sessions_per_owner: usize,
    pub(crate) max_connections: usize,
    pub(crate) head_time: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) max_output_bytes: usize,
    pub(crate) max_upload_bytes: u64,
    pub(crate) tunnels: TunnelBounds,
    pub(crate) tls: Option<TlsIdentity>,
    pub(crate) program: PathBuf,
}

impl ServerConfig {
    /// How many requests a token may make in a minute unless the configuration says otherwise: a hundred a second, or
    /// one a second for each of a hundred sessions. That is far above what programs need that use sessions, and far
    /// below what a loop that has gone wild sends.
    pub const DEFAULT_RATE_LIMIT: NonZeroU32 = NonZeroU32::new(6000).unwrap();

    /// How many sessions there may be, of all owners together, unless the configuration says otherwise. Idle, they take
    /// about 2 GiB of memory.
    pub const DEFAULT_MAX_SESSIONS: usize = 1000;

    /// How many sessions one owner may have at the same time unless the configuration says otherwise: a tenth of what
    /// the server holds, so that a program that forgets to end its sessions takes no place from other owners. Their time
    /// to live frees its places again.
    pub const DEFAULT_MAX_SESSIONS_PER_OWNER: usize = 100;

    /// A server on a free port of the loopback interface, whose sessions outlive it.
    ///
    /// `state_dir` is where it keeps what it knows about them, and belongs to it alone; with
    /// [`Lifetime::Ephemeral`] it is the parent of directories that servers make for themselves.
    pub fn new(tokens: Tokens, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tokens,
            state_dir: state_dir.into(),
            lifetime: Lifetime::Persistent,
            image_aliases: BTreeMap::new(),
            shared_paths: Vec::new(),
            images: None,
            limits: Limits::default(),
            rate_limit: Self::DEFAULT_RATE_LIMIT,
            max_sessions: Self::DEFAULT_MAX_SESSIONS,
            max_sessions_per_owner: Self::DEFAULT_MAX_SESSIONS_PER_OWNER,
            max_connections: 1024,
            head_time: Duration::from_secs(100),
            keepalive: Duration::from_secs(60),
            max_output_bytes: 1 << 20,
            max_upload_bytes: 1 << 30,
            tunnels: TunnelBounds {
                per_session: 32,
                per_owner: 512,
                idle: Duration::from_secs(3600),
                total: Duration::from_secs(8 * 3600),
            },
            tls: None,
            program: PathBuf::from("/proc/self/exe"),
        }
    }

    /// The address to listen on; port 0 is a free one.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Speaks HTTPS, and is known by this certificate; by default it speaks plain HTTP.
    pub fn tls(mut self, identity: TlsIdentity) -> Self {
        self.tls = Some(identity);
        self
    }

    /// Whether sessions outlive the server.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Further names of images, as pairs of such a name and an image there is.
    pub fn image_aliases(mut self, aliases: impl IntoIterator<Item = (String, String)>) -> Self {
        self.image_aliases.extend(aliases);
        self
    }

    /// Further paths of this machine that sessions may read, absolute.
    pub fn shared_paths(mut self, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        self.shared_paths.extend(paths);
        self
    }

    /// Lets sessions be made from the OCI images of a store; by default there is only `host`, which stays the default.
    pub fn images(mut self, store: ImageStore) -> Self {
        self.images = Some(store);
        self
    }

    /// What each session may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many requests a token may make in a minute, all of them at once or evenly; more are refused until some time
    /// has passed (default [6000](Self::DEFAULT_RATE_LIMIT)). Health checks do not count. There is always a limit,
    /// which every answer names; [`NonZeroU32::MAX`] is as good as none.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// # use sandbox_server::{ServerConfig, Tokens};
    ///
    /// let config = ServerConfig::new(Tokens::generate().tokens(), "state").rate_limit(NonZeroU32::MAX);
    /// ```
    pub fn rate_limit(mut self, per_minute: NonZeroU32) -> Self {
        self.rate_limit = per_minute;
        self
    }

    /// How many sessions there may be, of all owners together (default [1000](Self::DEFAULT_MAX_SESSIONS)).
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// How many sessions one owner may have at the same time
    /// (default [100](Self::DEFAULT_MAX_SESSIONS_PER_OWNER)).
    pub fn max_sessions_per_owner(mut self, sessions: usize) -> Self {
        self.max_sessions_per_owner = sessions;
        self
    }

    /// How many connections are served at the same time; further ones wait (default 1024). When the process runs out of
    /// file descriptors before, further ones are refused with 503, or closed.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How long the head of a request may take to arrive, which includes the time that a kept connection is idle (default
    /// 100 s). The default is longer than clients keep idle connections, for which 90 s is common, so that none of them
    /// sends a request into a connection that is being closed.
    pub fn head_time(mut self, time: Duration) -> Self {
        self.head_time = time;
        self
    }

    /// After how much silence a client is asked whether it is still there, by the kernel (TCP keepalive; default 60 s, at
    /// least 1 s). The connection is closed when it does not answer three times, and also when it takes nothing for as
    /// long of what it was sent.
    pub fn keepalive(mut self, silence: Duration) -> Self {
        self.keepalive = silence;
        self
    }

    /// How many bytes are kept of each output stream of a command (default 1 MiB).
    pub fn max_output_bytes(mut self, bytes: usize) -> Self {
        self.max_output_bytes = bytes;
        self
    }

    /// How many bytes an uploaded file may have (default 1 GiB).
    pub fn max_upload_bytes(mut self, bytes: u64) -> Self {
        self.max_upload_bytes = bytes;
        self
    }

    /// How many tunnels may lead to one session at the same time (default 32). The agent of a session takes 64
    /// connections at most.
    pub fn max_tunnels_per_session(mut self, tunnels: usize) -> Self {
        self.tunnels.per_session = tunnels;
        self
    }

    /// How many tunnels may lead to all sessions of one owner at the same time (default 512). Each takes two of the
    /// server's file descriptors.
    pub fn max_tunnels_per_owner(mut self, tunnels: usize) -> Self {
        self.tunnels.per_owner = tunnels;
        self
    }

    /// How long no byte may pass through a tunnel before it is closed (default one hour). Clients of SSH that are
    /// alive answer the agent's keepalive each minute.
    pub fn tunnel_idle_time(mut self, time: Duration) -> Self {
        self.tunnels.idle = time;
        self
    }

    /// How long a tunnel may last (default eight hours). It ends with its session in any case.
    pub fn tunnel_time(mut self, time: Duration) -> Self {
        self.tunnels.total = time;
        self
    }

    /// The program that hosts sandboxes; its `main` starts with `sandbox_agent::run_if_asked()` (default: the one
    /// that is running).
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Where a server keeps its state if nobody says otherwise: `sandbox` below `XDG_STATE_HOME`, which is
    /// `~/.local/state` unless it is set. `None` when neither it nor `HOME` is set to an absolute path.
    #[must_use]
    pub fn default_state_dir() -> Option<PathBuf> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        below_home(variable, "XDG_STATE_HOME", ".local/state")
    }

    /// Where images are kept if nobody says otherwise: `sandbox/images` below `XDG_CACHE_HOME`, which is `~/.cache`
    /// unless it is set. `None` when neither it nor `HOME` is set to an absolute path.
    #[must_use]
    pub fn default_image_store() -> Option<PathBuf> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        below_home(variable, "XDG_CACHE_HOME", ".cache").map(|dir| dir.join("images"))
    }

    /// The parent of the state of servers that keep it only as long as they live: one for each user of this machine,
    /// so that each finds what a killed one has left. It is in memory where there is a place for such things
    /// (`XDG_RUNTIME_DIR`, `/dev/shm`), since nothing of it has to outlive the machine, and in the directory for
    /// temporary files elsewhere.
    #[must_use]
    pub fn ephemeral_state_dir() -> PathBuf {
        ephemeral_state_dir(|name| std::env::var_os(name).map(PathBuf::from), Path::is_dir)
    }
}

fn ephemeral_state_dir(
    variable: impl Fn(&str) -> Option<PathBuf>,
    is_dir: impl Fn(&Path) -> bool,
) -> PathBuf {
    let own = variable("XDG_RUNTIME_DIR").filter(|path| path.is_absolute() && is_dir(path));
    let shared = || Some(PathBuf::from("/dev/shm")).filter(|path| is_dir(path));
    // In a directory that users share, the name says whose it is.
    let name = format!("sandbox-{}", rustix::process::geteuid());
    own.or_else(shared).unwrap_or_else(std::env::temp_dir).join(name)
}

/// A relative path would mean another place in each working directory, and is passed over as the XDG specification
/// asks for.
fn below_home(variable: impl Fn(&str) -> Option<PathBuf>, named: &str, default: &str) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
    let parent = absolute(named).or_else(|| absolute("HOME").map(|home| home.join(default)))?;
    Some(parent.join("sandbox"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_kept_where_the_user_keeps_state() {
        let found = |state: Option<&str>, home: Option<&str>| {
            let variable = |name: &str| match name {
                "XDG_STATE_HOME" => state.map(PathBuf::from),
                "HOME" => home.map(PathBuf::from),
                _ => None,
            };
            below_home(variable, "XDG_STATE_HOME", ".local/state")
        };
        assert_eq!(found(Some("/s"), Some("/h")), Some("/s/sandbox".into()));
        assert_eq!(
            found(Some("relative"), Some("/h")),
            Some("/h/.local/state/sandbox".into())
        );
        assert_eq!(found(None, None), None);
    }

    #[test]
    fn passing_state_is_kept_in_memory_where_that_can_be() {
        let found = |runtime: Option<&str>, there: &[&str]| {
            let variable = |_: &str| runtime.map(PathBuf::from);
            let path = ephemeral_state_dir(variable, |path| {
                there.iter().any(|there| path == Path::new(there))
            });
            path.parent().unwrap().to_owned()
        };
        assert_eq!(
            found(Some("/run/user/1"), &["/run/user/1", "/dev/shm"]),
            Path::new("/run/user/1")
        );
        assert_eq!(found(Some("/run/user/1"), &["/dev/shm"]), Path::new("/dev/shm"));
        assert_eq!(found(Some("here"), &["here", "/dev/shm"]), Path::new("/dev/shm"));
        assert_eq!(found(None, &[]), std::env::temp_dir());
    }
}

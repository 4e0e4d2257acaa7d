use std::fmt;
use std::future::IntoFuture;
use std::path::PathBuf;
use std::time::Duration;

use sandbox_tunnel::{HostKey, Keepalive, KnownHosts, PublicKey, SshConfig, Tunnel};
use secrecy::SecretString;

use super::SessionSshClient;
use super::authentication::Authentication;
use super::connector::Connector;
use crate::requests::RequestFuture;
use crate::{Error, SessionId, SessionsClient};

/// The user that sessions have.
const USER: &str = "sandbox";

/// Bytes under way to us on one channel; throughput is at most this per round trip.
const WINDOW: u32 = 8 << 20;

/// Settings of an SSH connection to a session, made by [`Session::ssh`](crate::Session::ssh),
/// [`SessionsClient::ssh`] or [`SessionSshClient::builder`]; awaiting it connects.
///
/// ```no_run
/// use sandbox_sessions::{SessionId, SessionSshClient, SessionsClient};
///
/// # async fn example(client: SessionsClient, id: SessionId) -> Result<(), sandbox_sessions::Error> {
/// let ssh = SessionSshClient::builder(&client, &id).private_key_file("id_ed25519").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a key that cannot be used; those of the API's
/// answer to `CONNECT`, such as [`SessionNotFound`](crate::ErrorKind::SessionNotFound);
/// [`Unauthorized`](crate::ErrorKind::Unauthorized) also when the session's SSH server does not accept the key;
/// [`Connection`](crate::ErrorKind::Connection) and [`Timeout`](crate::ErrorKind::Timeout) otherwise.
/// [`Error::ssh_phase`] says how far it came.
#[derive(Clone)]
#[must_use = "a connection is made only when this is awaited"]
pub struct SessionSshClientBuilder {
    client: SessionsClient,
    session: SessionId,
    host_key: Expected,
    user: String,
    authentication: Authentication,
    passphrase: Option<SecretString>,
    timeout: Duration,
    keepalive: Option<Duration>,
}

/// Which host key the session's SSH server must have.
#[derive(Clone)]
enum Expected {
    /// The one that the API names, which is still to be asked.
    OfSession,
    /// This one; `None` where the API named none, which is then trusted for what it leads to.
    Known(Option<String>),
    InFile {
        path: PathBuf,
        accepts_new: bool,
    },
    Any,
}

impl SessionSshClientBuilder {
    pub(crate) fn new(client: SessionsClient, session: SessionId) -> Self {
        Self {
            timeout: client.timeout(),
            client,
            session,
            host_key: Expected::OfSession,
            user: USER.to_owned(),
            authentication: Authentication::None,
            passphrase: None,
            keepalive: Some(Duration::from_secs(30)),
        }
    }

    /// The API has named the host key already, or has not got one to name.
    pub(crate) fn known_host_key(mut self, line: Option<&str>) -> Self {
        self.host_key = Expected::Known(line.map(str::to_owned));
        self
    }

    /// The user to log in as; by default `sandbox`.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Proves possession of this private key, in OpenSSH's format or PKCS#8. A session that was created with a
    /// [public key](crate::CreateSession::ssh_public_key) asks for it; any other lets everybody in whom the API lets
    /// through.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let key = std::fs::read_to_string("id_ed25519")?;
    /// let ssh = session.ssh().private_key(key).passphrase("of the key").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn private_key(mut self, text: impl Into<SecretString>) -> Self {
        self.authentication = Authentication::Key(text.into());
        self
    }

    /// As [`private_key`](Self::private_key), from a file.
    pub fn private_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authentication = Authentication::KeyFile(path.into());
        self
    }

    /// What the private key is enciphered with.
    pub fn passphrase(mut self, passphrase: impl Into<SecretString>) -> Self {
        self.passphrase = Some(passphrase.into());
        self
    }

    /// Proves possession of one of the keys that the SSH agent at `SSH_AUTH_SOCK` holds.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().agent().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn agent(mut self) -> Self {
        self.authentication = Authentication::Agent;
        self
    }

    /// Sends a password, for APIs whose sessions ask for one. Those of the self-hosted server do not.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().user("alice").password("your-password-here").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn password(mut self, password: impl Into<SecretString>) -> Self {
        self.authentication = Authentication::Password(password.into());
        self
    }

    /// The host key that the session's SSH server must have, as a line in OpenSSH's format. By default it is the one
    /// that the API [names](crate::Session::ssh_host_key), and any where it names none.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session, known: &str) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().host_key(known).await?; // as it was when somebody checked it
    /// # Ok(())
    /// # }
    /// ```
    pub fn host_key(mut self, line: impl Into<String>) -> Self {
        self.host_key = Expected::Known(Some(line.into()));
        self
    }

    /// The host key that the session's SSH server must have is one that this file knows for it, in the format of OpenSSH's
    /// `known_hosts` (hashed names, wildcards and revoked keys included), by the session's id as name. What the API says
    /// does not count then.
    ///
    /// Connecting fails with [`ErrorKind::Connection`](crate::ErrorKind::Connection) and the code `HOST_KEY_UNKNOWN` when
    /// the file has none for the session, and with `HOST_KEY_MISMATCH` when it has another one.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let line = format!("{} {}\n", session.id(), session.ssh_host_key().unwrap_or_default());
    /// std::fs::write("known_hosts", line)?; // where both are known to be true
    /// let ssh = session.ssh().known_hosts("known_hosts").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn known_hosts(mut self, path: impl Into<PathBuf>) -> Self {
        self.host_key = Expected::InFile {
            path: path.into(),
            accepts_new: false,
        };
        self
    }

    /// As [`known_hosts`](Self::known_hosts), but the key of a session that the file does not know is accepted and written
    /// there: whoever answers the first time has to answer ever after.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().known_hosts_accept_new("/home/alice/.ssh/known_hosts").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn known_hosts_accept_new(mut self, path: impl Into<PathBuf>) -> Self {
        self.host_key = Expected::InFile {
            path: path.into(),
            accepts_new: true,
        };
        self
    }

    /// Accepts any host key. Whoever answers for the API can then read and change everything.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().danger_accept_any_host_key().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn danger_accept_any_host_key(mut self) -> Self {
        self.host_key = Expected::Any;
        self
    }

    /// How long connecting may take, from the name of the host to the login; by default the client's
    /// [`timeout`](crate::SessionsClientBuilder::timeout). Where the client's [`RetryPolicy`](crate::RetryPolicy) has it
    /// tried again, it may take this long each time.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session
    ///     .ssh()
    ///     .connect_timeout(Duration::from_secs(5))
    ///     .keepalive(Duration::from_secs(10))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// After how much silence the other end is asked whether it is still there (default 30 s); the connection is given
    /// up when it does not answer three times. `None` never asks. For a bare [tunnel](Self::open_tunnel), into which no
    /// questions can be put, the kernels at both ends do that (TCP keepalive).
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().keepalive(None).await?; // a link that is paid for by the byte
    /// # Ok(())
    /// # }
    /// ```
    pub fn keepalive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keepalive = interval.into();
        self
    }

    /// Opens a tunnel to the session's SSH server, for a client of SSH of your own: raw bytes, of which none was read
    /// yet. Keys and passwords are that client's business.
    ///
    /// ```no_run
    /// use tokio::io::AsyncReadExt;
    ///
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tunnel = session.ssh().open_tunnel().await?;
    /// let mut banner = [0; 8];
    /// tunnel.read_exact(&mut banner).await?;
    /// assert_eq!(&banner, b"SSH-2.0-");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As awaiting the builder, as far as the tunnel.
    pub async fn open_tunnel(self) -> Result<Tunnel, Error> {
        let keepalive = self.keepalive.map(asking);
        Connector::open_tunnel(&self.client, self.session, self.timeout, keepalive).await
    }

    async fn connect(self) -> Result<SessionSshClient, Error> {
        let Self { client, session, .. } = self;
        let host_key = match self.host_key {
            Expected::OfSession => pinned(client.get_session(&session).await?.ssh_host_key())?,
            Expected::Known(line) => pinned(line.as_deref())?,
            Expected::InFile { path, accepts_new } => {
                let known = KnownHosts::new(path, session.to_string());
                HostKey::Known(if accepts_new { known.accept_new() } else { known })
            }
            Expected::Any => HostKey::AcceptAny,
        };
        let auth = self.authentication.resolve(self.passphrase.as_ref()).await?;
        let mut config = SshConfig::new(self.user, auth, host_key);
        config.window_size = WINDOW;
        config.keepalive = self.keepalive.map(asking);
        SessionSshClient::connect(Connector::new(client, session, config, self.timeout)).await
    }
}

fn asking(interval: Duration) -> Keepalive {
    Keepalive {
        interval,
        ..Keepalive::default()
    }
}

/// The key in a line; any where the API has named none.
fn pinned(line: Option<&str>) -> Result<HostKey, Error> {
    let Some(line) = line else {
        return Ok(HostKey::AcceptAny);
    };
    PublicKey::from_openssh(line)
        .map(HostKey::Pinned)
        .map_err(|error| Error::invalid_argument("host key", "is no OpenSSH public key").with_source(error))
}

impl IntoFuture for SessionSshClientBuilder {
    type Output = Result<SessionSshClient, Error>;
    type IntoFuture = RequestFuture<SessionSshClient>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl fmt::Debug for SessionSshClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSshClientBuilder")
            .field("session", &self.session)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

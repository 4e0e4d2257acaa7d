//! The one error type of this crate.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why something over SSH failed: in which [`Phase`], of which [`ErrorKind`].
///
/// `Display` names the phase and the kind; the cause beneath, where there is one, is `source()`.
///
/// ```
/// use sandbox_tunnel::{Auth, ErrorKind, HostKey, Phase, SshClient, SshConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
/// let error = SshClient::connect(tokio::io::empty(), &config).await.unwrap_err(); // nobody there
/// assert_eq!((error.phase(), error.kind()), (Phase::KeyExchange, ErrorKind::Disconnected));
/// assert_eq!(error.path(), None);
/// assert!(error.never_started());
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{phase} failed{}: {kind}", path.as_ref().map(|path| format!(" for {path}")).unwrap_or_default())]
pub struct Error {
    phase: Phase,
    kind: ErrorKind,
    path: Option<String>,
    #[source]
    source: Option<Source>,
}

/// What was being done when an [`Error`] happened.
///
/// ```no_run
/// use sandbox_tunnel::{ExecRequest, Phase};
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
/// let request = ExecRequest::command("make install");
/// if let Err(error) = client.run(request).await {
///     match error.phase() {
///         Phase::Preparation => eprintln!("a variable or the terminal was refused"),
///         Phase::Transfer => eprintln!("the command ran, and how it ended is not known"),
///         phase => eprintln!("{phase} failed: {}", error.kind()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Finding the addresses of a host.
    Resolve,
    /// Connecting to one of them.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Asking an outer proxy for a way to the server.
    Proxy,
    /// Asking the server for a tunnel, with HTTP `CONNECT`.
    HttpConnect,
    /// Exchanging versions and keys, checking the host key.
    KeyExchange,
    /// Proving who we are.
    Authentication,
    /// Opening a channel on a working connection.
    ChannelOpen,
    /// Setting up the environment or the terminal of a command that was not yet sent.
    Preparation,
    /// Asking for the command to start.
    Start,
    /// Exchanging input and output with a command that was started.
    Transfer,
    /// An SFTP request.
    Sftp,
    /// Reading or writing a file of this machine.
    LocalFile,
}

/// What went wrong, as far as a caller may want to tell cases apart.
///
/// ```no_run
/// use sandbox_tunnel::ErrorKind;
///
/// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
/// let has_notes = match sftp.metadata("notes.txt").await {
///     Ok(_) => true,
///     Err(error) if error.kind() == ErrorKind::NotFound => false,
///     Err(error) => return Err(error),
/// };
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting that cannot be used; the source says which.
    InvalidConfig,
    /// No way leads to the address.
    Unreachable,
    /// The server's certificate is not one we trust.
    Untrusted,
    /// The time set for the phase passed.
    TimedOut,
    /// The server's host key is not the pinned one, or another one is known for it, or it was revoked.
    HostKeyMismatch,
    /// No host key is known for the server.
    HostKeyUnknown,
    /// The server accepted none of our credentials.
    Unauthorized,
    /// The server said no to this request.
    Refused,
    /// The connection or the channel ended.
    Disconnected,
    /// The peer does not speak the protocol as we know it.
    Protocol,
    /// There is no such file or directory.
    NotFound,
    /// There is such a file already.
    AlreadyExists,
    /// The user may not do that to the file.
    PermissionDenied,
    /// SFTP: the server does not know this operation.
    Unsupported,
    /// Any other failure with a file; the source says which.
    Failure,
}

impl Error {
    pub(crate) fn new(phase: Phase, kind: ErrorKind) -> Self {
        Self {
            phase,
            kind,
            path: None,
            source: None,
        }
    }

    pub(crate) fn caused_by(phase: Phase, kind: ErrorKind, source: impl Into<Source>) -> Self {
        Self {
            phase,
            kind,
            path: None,
            source: Some(source.into()),
        }
    }

    /// A file of this machine could not be read or written.
    pub(crate) fn local(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Failure,
        };
        Self::caused_by(Phase::LocalFile, kind, error)
    }

    /// Whether what was done was cut off, and might go on over another connection.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(self.kind, ErrorKind::Disconnected | ErrorKind::TimedOut)
    }

    /// Says which file it was about.
    pub(crate) fn at(mut self, path: impl fmt::Display) -> Self {
        self.path = Some(path.to_string());
        self
    }

    pub(crate) fn ssh(phase: Phase, error: russh::Error) -> Self {
        use russh::Error as Ssh;
        let kind = match &error {
            Ssh::UnknownKey | Ssh::KeyChanged { .. } => ErrorKind::HostKeyMismatch,
            Ssh::ChannelOpenFailure(_) | Ssh::RequestDenied => ErrorKind::Refused,
            Ssh::NotAuthenticated | Ssh::NoAuthMethod | Ssh::UnsupportedAuthMethod => ErrorKind::Unauthorized,
            Ssh::ConnectionTimeout | Ssh::KeepaliveTimeout | Ssh::InactivityTimeout | Ssh::Elapsed(_) => {
                ErrorKind::TimedOut
            }
            Ssh::Disconnect | Ssh::HUP | Ssh::SendError | Ssh::RecvError | Ssh::IO(_) | Ssh::Join(_) => {
                ErrorKind::Disconnected
            }
            _ => ErrorKind::Protocol,
        };
        Self::caused_by(phase, kind, error)
    }

    /// What was being done.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file that it was about, if it was one of several.
    ///
    /// ```no_run
    /// use sandbox_tunnel::TransferOptions;
    ///
    /// # async fn example(sftp: sandbox_tunnel::Sftp) -> Result<(), sandbox_tunnel::Error> {
    /// if let Err(error) = sftp.upload("site", "site", &TransferOptions::new()).await {
    ///     eprintln!("{}: {}", error.path().unwrap_or("the whole folder"), error.kind());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// What a server answered instead of opening a tunnel, for [`ErrorKind::Refused`] in the phases [`Phase::Proxy`]
    /// and [`Phase::HttpConnect`].
    ///
    /// ```no_run
    /// # async fn example(config: sandbox_tunnel::TunnelConfig) {
    /// if let Err(error) = sandbox_tunnel::Tunnel::open(&config).await
    ///     && let Some(refusal) = error.refusal()
    /// {
    ///     eprintln!("{}: {}", refusal.status, String::from_utf8_lossy(&refusal.body));
    /// }
    /// # }
    /// ```
    #[cfg(feature = "connect")]
    #[must_use]
    pub fn refusal(&self) -> Option<&crate::Refusal> {
        self.source.as_deref()?.downcast_ref()
    }

    /// Whether the command surely never started, so that sending it again (over a new connection) cannot run
    /// it twice.
    ///
    /// Errors of [`Phase::Sftp`] never say so: a request may have been served and its answer lost.
    #[must_use]
    pub fn never_started(&self) -> bool {
        match self.phase {
            Phase::Resolve
            | Phase::Connect
            | Phase::Tls
            | Phase::Proxy
            | Phase::HttpConnect
            | Phase::KeyExchange
            | Phase::Authentication
            | Phase::ChannelOpen
            | Phase::Preparation => true,
            Phase::Start => self.kind == ErrorKind::Refused,
            Phase::Transfer | Phase::Sftp | Phase::LocalFile => false,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host's name",
            Self::Connect => "connecting",
            Self::Tls => "TLS handshake",
            Self::Proxy => "CONNECT at the proxy",
            Self::HttpConnect => "CONNECT",
            Self::KeyExchange => "SSH key exchange",
            Self::Authentication => "SSH authentication",
            Self::ChannelOpen => "opening an SSH channel",
            Self::Preparation => "preparing the command",
            Self::Start => "starting the command",
            Self::Transfer => "exchanging data with the command",
            Self::Sftp => "SFTP request",
            Self::LocalFile => "local file operation",
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidConfig => "a setting cannot be used",
            Self::Unreachable => "the address cannot be reached",
            Self::Untrusted => "the certificate is not trusted",
            Self::TimedOut => "timed out",
            Self::HostKeyMismatch => "the host key is not the expected one",
            Self::HostKeyUnknown => "no host key is known for the server",
            Self::Unauthorized => "the server did not accept the credentials",
            Self::Refused => "refused by the server",
            Self::Disconnected => "the connection ended",
            Self::Protocol => "the peer violated the protocol",
            Self::NotFound => "no such file or directory",
            Self::AlreadyExists => "the file exists already",
            Self::PermissionDenied => "permission denied",
            Self::Unsupported => "not supported by the server",
            Self::Failure => "it could not be done",
        })
    }
}

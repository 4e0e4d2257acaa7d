//! A connection to an SSH server.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use russh::{
    Channel, ChannelId, Disconnect, Sig,
    client::{self, AuthResult, Handle, Msg, Session},
    keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use crate::{
    Auth, Error, ErrorKind, Exec, ExecOutput, ExecRequest, HostKey, Phase, Sftp, SshConfig, TcpChannel,
    Timeouts, channel,
    transport::{Backlog, WriteBehind},
    unread::{Channels, HOLD},
};

/// An authenticated SSH connection. Clones share it; it ends when the last clone, and everything that runs on
/// it, is dropped.
///
/// ```no_run
/// use sandbox_tunnel::ExecRequest;
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
/// let watched = client.clone();
/// tokio::spawn(async move {
///     watched.closed().await;
///     eprintln!("the connection has ended");
/// });
///
/// if !client.is_closed() && client.channels_opened() < 1000 {
///     let output = client.run(ExecRequest::command("uname -r")).await?;
///     print!("{}", String::from_utf8_lossy(&output.stdout));
/// }
/// client.disconnect().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SshClient(Arc<Connection>);

struct Connection {
    handle: Handle<Gatekeeper>,
    timeouts: Timeouts,
    channels_opened: AtomicU64,
    channels: Channels,
    guard: CutOnDrop,
}

/// Ends the connection's task with its owner. Without it a peer that stops in the middle of a key exchange
/// would keep the task, and the stream, for ever.
struct CutOnDrop(Backlog);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}

impl SshClient {
    /// Exchanges keys with the server at the other end of `stream`, checks its host key and authenticates.
    ///
    /// ```no_run
    /// use sandbox_tunnel::{Auth, HostKey, SshClient, SshConfig};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let stream = tokio::net::TcpStream::connect("127.0.0.1:2222").await?;
    /// let config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
    /// let client = SshClient::connect(stream, &config).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// In the phases [`Phase::KeyExchange`] and [`Phase::Authentication`], after the times set for them at
    /// the latest.
    pub async fn connect<S>(stream: S, config: &SshConfig) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = WriteBehind::new(stream);
        let guard = CutOnDrop(stream.backlog());
        let channels = Channels::default();
        let gatekeeper = Gatekeeper {
            expected: config.host_key.clone(),
            channels: channels.clone(),
        };
        let connecting = client::connect_stream(Arc::new(config.russh()), stream, gatekeeper);
        let mut handle = timeout(config.timeouts.key_exchange, connecting)
            .await
            .map_err(|_| Error::new(Phase::KeyExchange, ErrorKind::TimedOut))?
            .map_err(|stopped| match stopped {
                Stopped::By(error) => Error::ssh(Phase::KeyExchange, error),
                Stopped::ByUs(error) => error,
            })?;
        timeout(config.timeouts.authentication, authenticate(&mut handle, config))
            .await
            .map_err(|_| Error::new(Phase::Authentication, ErrorKind::TimedOut))??;
        let channels_opened = AtomicU64::new(0);
        Ok(Self(Arc::new(Connection {
            handle,
            timeouts: config.timeouts,
            channels_opened,
            channels,
            guard,
        })))
    }

    /// Runs a command to its end, reading all it writes and keeping as much as the request allows.
    ///
    /// Dropping the future closes the channel, upon which the sandbox agent kills the command.
    ///
    /// ```no_run
    /// use sandbox_tunnel::{ExecRequest, Exit};
    ///
    /// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
    /// let output = client.run(ExecRequest::command("sort").stdin("b\na\n")).await?;
    /// assert_eq!((output.stdout.as_slice(), output.exit), (&b"a\nb\n"[..], Exit::Code(0)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the command could not be started or its end not be learned; [`Error::never_started`] tells
    /// which. A command that fails is no error, see [`ExecOutput::exit`].
    pub async fn run(&self, request: ExecRequest) -> Result<ExecOutput, Error> {
        crate::run::run(self, request).await
    }

    /// Starts a command and hands out its streams. Its standard input stays open, after the bytes of the
    /// request.
    ///
    /// ```no_run
    /// use sandbox_tunnel::{ExecEvent, ExecRequest};
    ///
    /// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
    /// let mut exec = client.exec(ExecRequest::command("tail -f build.log")).await?;
    /// while let Some(ExecEvent::Stdout(bytes)) = exec.output.next().await {
    ///     print!("{}", String::from_utf8_lossy(&bytes));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the command could not be started.
    pub async fn exec(&self, request: ExecRequest) -> Result<Exec, Error> {
        crate::exec::exec(self, request).await
    }

    /// Starts an SFTP session on a channel of its own.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
    /// let sftp = client.sftp().await?;
    /// println!("{} bytes", sftp.metadata("build.log").await?.size);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the server offers no SFTP or does not answer in time.
    pub async fn sftp(&self) -> Result<Sftp, Error> {
        Sftp::start(self).await
    }

    /// Connects to a TCP port as seen from the server; the sandbox agent goes to the sandbox's own loopback only.
    ///
    /// ```no_run
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut http = client.connect_tcp("127.0.0.1", 8000).await?;
    /// http.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    /// let mut answer = String::new();
    /// http.read_to_string(&mut answer).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Where the server refuses, or nobody listens there.
    pub async fn connect_tcp(&self, host: &str, port: u16) -> Result<TcpChannel, Error> {
        self.0.channels_opened.fetch_add(1, Relaxed);
        // Where the connection comes from is for the server's log; nobody checks it.
        let opening = self
            .0
            .handle
            .channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0);
        let channel = timeout(self.0.timeouts.channel_open, opening)
            .await
            .map_err(|_| Error::new(Phase::ChannelOpen, ErrorKind::TimedOut))?
            .map_err(|error| Error::ssh(Phase::ChannelOpen, error))?;
        Ok(TcpChannel::new(channel::halves(self, channel)))
    }

    /// Whether the connection has ended. `false` is no promise: a dead peer is noticed late.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.handle.is_closed()
    }

    /// Waits until the connection has ended.
    pub async fn closed(&self) {
        self.backlog().ended().await;
    }

    /// How many channels were opened so far. The protocol library keeps a few KiB for each of them until the
    /// connection ends, at one side or the other, so a connection that serves for ever wants to be replaced
    /// after some thousands.
    #[must_use]
    pub fn channels_opened(&self) -> u64 {
        self.0.channels_opened.load(Relaxed)
    }

    /// Says goodbye and ends the connection, whatever still runs on it.
    pub async fn disconnect(self) {
        let goodbye = self.0.handle.disconnect(Disconnect::ByApplication, "", "");
        let _ = timeout(self.0.timeouts.channel_open, async {
            if goodbye.await.is_ok() {
                // The session pushes its last bytes and drops the stream, which ends the reservations.
                self.0.guard.0.ended().await;
            }
        })
        .await;
        self.0.guard.0.cut();
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.0.timeouts
    }

    pub(crate) fn channels(&self) -> &Channels {
        &self.0.channels
    }

    pub(crate) fn backlog(&self) -> &Backlog {
        &self.0.guard.0
    }

    pub(crate) async fn open_channel(&self) -> Result<Channel<Msg>, Error> {
        self.0.channels_opened.fetch_add(1, Relaxed);
        timeout(self.0.timeouts.channel_open, self.0.handle.channel_open_session())
            .await
            .map_err(|_| Error::new(Phase::ChannelOpen, ErrorKind::TimedOut))?
            .map_err(|error| Error::ssh(Phase::ChannelOpen, error))
    }
}

async fn authenticate(handle: &mut Handle<Gatekeeper>, config: &SshConfig) -> Result<(), Error> {
    let user = config.user.as_str();
    let result = match &config.auth {
        Auth::None => handle.authenticate_none(user).await,
        Auth::Key(key) => {
            let hash = if key.algorithm().is_rsa() {
                let offered = handle.best_supported_rsa_hash().await;
                offered
                    .map_err(|error| Error::ssh(Phase::Authentication, error))?
                    .flatten()
            } else {
                None
            };
            handle
                .authenticate_publickey(user, PrivateKeyWithHashAlg::new(Arc::clone(key), hash))
                .await
        }
        #[cfg(unix)]
        Auth::Agent => crate::key_agent::authenticate(handle, user).await,
        Auth::Password(password) => handle.authenticate_password(user, password.expose_secret()).await,
    };
    match result {
        Ok(AuthResult::Success) => Ok(()),
        // The library reports a connection that ends meanwhile as a rejection, too.
        Ok(AuthResult::Failure { .. }) if handle.is_closed() => {
            Err(Error::new(Phase::Authentication, ErrorKind::Disconnected))
        }
        Ok(AuthResult::Failure { .. }) => Err(Error::new(Phase::Authentication, ErrorKind::Unauthorized)),
        Err(error) => Err(Error::ssh(Phase::Authentication, error)),
    }
}

/// Decides about the server's key; every other callback keeps its default, which refuses what servers may ask
/// for.
pub(crate) struct Gatekeeper {
    expected: HostKey,
    channels: Channels,
}

impl Gatekeeper {
    /// Data has arrived, and the library has passed it on.
    async fn arrived(&self, id: ChannelId, bytes: usize, session: &mut Session) -> Result<(), Stopped> {
        let Some(unread) = self.channels.get(id.number()) else {
            return Ok(());
        };
        if unread.arrived(bytes) {
            session.signal(id, Sig::Custom(HOLD.to_owned()))?;
        }
        unread.room().await;
        Ok(())
    }
}

/// Why a connection does not go on.
#[derive(Debug)]
pub(crate) enum Stopped {
    By(russh::Error),
    /// The host key is not one to trust.
    ByUs(Error),
}

impl From<russh::Error> for Stopped {
    fn from(error: russh::Error) -> Self {
        Self::By(error)
    }
}

impl client::Handler for Gatekeeper {
    type Error = Stopped;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Stopped> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = offered else {
            return Ok(matches!(self.expected, HostKey::AcceptAny));
        };
        match &self.expected {
            HostKey::AcceptAny => Ok(true),
            HostKey::Pinned(expected) => Ok(expected.key_data() == key.key_data()),
            HostKey::Known(known) => known.check(key).await.map(|()| true).map_err(Stopped::ByUs),
        }
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Stopped> {
        self.arrived(id, data.len(), session).await
    }

    async fn extended_data(
        &mut self,
        id: ChannelId,
        _: u32,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Stopped> {
        self.arrived(id, data.len(), session).await
    }
}

impl fmt::Debug for SshClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshClient")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn config() -> SshConfig {
        let mut config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
        config.timeouts.key_exchange = Duration::from_millis(300);
        config
    }

    #[tokio::test]
    async fn a_peer_that_says_nothing_is_given_up() {
        let (ours, mut theirs) = duplex(1000);
        let error = SshClient::connect(ours, &config()).await.unwrap_err();
        assert_eq!(
            (error.phase(), error.kind()),
            (Phase::KeyExchange, ErrorKind::TimedOut)
        );
        assert!(error.never_started());
        // And the stream is closed, not kept by a task.
        theirs.read_to_end(&mut Vec::new()).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_stops_in_the_key_exchange_is_given_up() {
        let (ours, mut theirs) = duplex(10_000);
        theirs.write_all(b"SSH-2.0-silent\r\n").await.unwrap();
        let error = SshClient::connect(ours, &config()).await.unwrap_err();
        assert_eq!(
            (error.phase(), error.kind()),
            (Phase::KeyExchange, ErrorKind::TimedOut)
        );
        theirs.read_to_end(&mut Vec::new()).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_is_no_ssh_server_is_noticed() {
        for greeting in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"",
            b"SSH-2.0-x\r\n\xff\xff\xff\xff\0\0\0\0\0",
        ] {
            let (ours, mut theirs) = duplex(10_000);
            theirs.write_all(greeting).await.unwrap();
            theirs.shutdown().await.unwrap();
            let error = SshClient::connect(ours, &config()).await.unwrap_err();
            assert_eq!(error.phase(), Phase::KeyExchange, "{greeting:?}");
            assert_ne!(error.kind(), ErrorKind::TimedOut, "{greeting:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let auth = Auth::Password("hunter2".into());
        let config = SshConfig::new("sandbox", auth, HostKey::AcceptAny);
        assert!(!format!("{config:?}").contains("hunter2"));
        let request = ExecRequest::command("echo hunter2")
            .env("TOKEN", "hunter2")
            .stdin("hunter2");
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}

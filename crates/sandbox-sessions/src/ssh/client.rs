use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use sandbox_tunnel::SshClient;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::connector::Connector;
use super::{
    ForwardLocal, SessionSftp, SessionSshClientBuilder, SshDownload, SshExec, SshRunCommand, SshUpload,
};
use crate::error::from_tunnel_error;
use crate::{Error, ErrorKind, SessionId, SessionsClient};

/// Channels after which the connection for short commands is replaced: the protocol library remembers each of them.
const CHANNELS: u64 = 2000;

/// Short commands that run at the same time; further ones wait. Servers bound the channels of a connection.
const COMMANDS: usize = 32;

/// SSH to one session.
///
/// Cloning is cheap. [Short commands](Self::run_command) share one connection, which is made anew when it was lost.
/// What streams (programs, files, ports) has a connection of its own each, so that reading slowly holds back only what
/// is read. Everything ends with the session; dropping the last clone, and what was started with it, closes the
/// connections and ends the programs that run on them.
///
/// ```no_run
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// let ssh = session.ssh().await?;
/// assert_eq!(ssh.session_id(), session.id());
///
/// let output = ssh.run_command("uname -r").await?;
/// println!("{}", output.stdout());
///
/// let mut server = ssh.exec("python3 -m http.server 8000").await?;
/// let forward = ssh.forward_local(8000).await?;
/// println!("http://{}/", forward.local_address());
///
/// ssh.upload("site", "/workspace/site").await?;
/// ssh.download("/workspace/site/index.html", "index.html").await?;
/// for entry in ssh.sftp().await?.read_dir("site").await? {
///     println!("{}", entry.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionSshClient(Arc<Inner>);

struct Inner {
    connector: Connector,
    /// The connection for short commands.
    shared: Mutex<SshClient>,
    places: Semaphore,
}

impl SessionSshClient {
    /// Settings for a connection to a session; awaiting them connects. [`Session::ssh`](crate::Session::ssh) and
    /// [`SessionsClient::ssh`] are shorter.
    ///
    /// ```no_run
    /// use sandbox_sessions::{SessionId, SessionSshClient, SessionsClient};
    ///
    /// # async fn example(client: SessionsClient, id: SessionId) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = SessionSshClient::builder(&client, &id).agent().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(client: &SessionsClient, session: &SessionId) -> SessionSshClientBuilder {
        client.ssh(session)
    }

    pub(super) async fn connect(connector: Connector) -> Result<Self, Error> {
        let shared = Mutex::new(connector.connect().await?);
        let places = Semaphore::new(COMMANDS);
        Ok(Self(Arc::new(Inner {
            connector,
            shared,
            places,
        })))
    }

    /// The session it leads to.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.connector.session()
    }

    /// Runs a command to its end, and answers what it wrote.
    pub fn run_command(&self, command: impl Into<String>) -> SshRunCommand {
        SshRunCommand::new(self.clone(), command.into())
    }

    /// Starts a program whose input and output are streamed.
    pub fn exec(&self, command: impl Into<String>) -> SshExec {
        SshExec::command(self.clone(), command.into())
    }

    /// Starts the user's shell, in a terminal unless that is taken away again.
    ///
    /// ```no_run
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// let mut shell = ssh.shell().no_terminal().await?;
    /// shell.input.write("echo $HOME\nexit\n").await?;
    /// while let Some(event) = shell.output.next().await? {
    ///     println!("{event:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn shell(&self) -> SshExec {
        SshExec::shell(self.clone())
    }

    /// Copies a file or a folder to the session.
    pub fn upload(&self, local: impl Into<PathBuf>, remote: impl Into<String>) -> SshUpload {
        SshUpload::new(self.clone(), local.into(), remote.into())
    }

    /// Copies a file or a folder from the session.
    pub fn download(&self, remote: impl Into<String>, local: impl Into<PathBuf>) -> SshDownload {
        SshDownload::new(self.clone(), remote.into(), local.into())
    }

    /// Opens an SFTP session.
    ///
    /// # Errors
    ///
    /// As [`SessionSshClientBuilder`], and where the session's SSH server offers no SFTP.
    pub async fn sftp(&self) -> Result<SessionSftp, Error> {
        let sftp = self.own_connection().await?.sftp().await;
        sftp.map(SessionSftp::new).map_err(from_tunnel_error)
    }

    /// Makes a TCP port of the session reachable on this machine.
    pub fn forward_local(&self, port: u16) -> ForwardLocal {
        ForwardLocal::new(self.clone(), port)
    }

    /// A connection of its own.
    pub(super) async fn own_connection(&self) -> Result<SshClient, Error> {
        self.0.connector.connect().await
    }

    /// The connection for short commands, a new one where the old one is lost or worn out; and the place of one command
    /// on it.
    pub(super) async fn shared_connection(&self) -> Result<(SshClient, SemaphorePermit<'_>), Error> {
        let place = self.0.places.acquire().await;
        // Nobody closes it.
        let place = place
            .map_err(|error| Error::new(ErrorKind::Connection, "the client is closed").with_source(error))?;
        let mut shared = self.0.shared.lock().await;
        if shared.is_closed() || shared.channels_opened() >= CHANNELS {
            *shared = self.0.connector.connect().await?;
        }
        Ok((shared.clone(), place))
    }
}

impl fmt::Debug for SessionSshClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSshClient")
            .field("session", &self.session_id())
            .finish_non_exhaustive()
    }
}

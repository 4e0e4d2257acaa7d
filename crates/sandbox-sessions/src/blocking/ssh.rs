use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::{Request, Session, SessionsClient};
use crate::ssh::{
    ForwardLocal, SessionSshClientBuilder, SshDownload, SshRunCommand, SshUpload, TransferProgress,
};
use crate::{SecretString, SessionId};

/// SSH to one session, with methods that wait: see [`SessionSshClient`](crate::SessionSshClient) for what they do.
///
/// What streams (programs with their input and output, single files over SFTP, raw tunnels) is for the async client: its
/// pieces come when they come, which a thread that waits for one of them would not see of the others.
///
/// ```no_run
/// # fn example(session: sandbox_sessions::blocking::Session) -> Result<(), sandbox_sessions::Error> {
/// let ssh = session.ssh().send()?;
/// ssh.upload("project", "/workspace/project").send()?;
/// let output = ssh.run_command("cd project && python3 train.py").env("EPOCHS", "3").send()?;
/// println!("{} {:?}", output.stdout(), output.exit_code());
/// ssh.download("/workspace/project/model.bin", "model.bin").resume(true).send()?;
/// # Ok(())
/// # }
/// ```
///
/// Ports of the session are reachable for as long as what is returned lives:
///
/// ```no_run
/// # fn example(ssh: sandbox_sessions::blocking::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let forward = ssh.forward_local(8000).listen(([127, 0, 0, 1], 8080).into()).send()?;
/// println!("http://{}/ leads to {}", forward.local_address(), ssh.session_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionSshClient(crate::SessionSshClient);

impl SessionSshClient {
    pub(super) fn new(client: crate::SessionSshClient) -> Self {
        Self(client)
    }

    /// The session it leads to.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.session_id()
    }

    /// Runs a command to its end, and answers what it wrote.
    pub fn run_command(&self, command: impl Into<String>) -> Request<SshRunCommand> {
        Request::new(self.0.run_command(command))
    }

    /// Copies a file or a folder to the session.
    pub fn upload(&self, local: impl Into<PathBuf>, remote: impl Into<String>) -> Request<SshUpload> {
        Request::new(self.0.upload(local, remote))
    }

    /// Copies a file or a folder from the session.
    pub fn download(&self, remote: impl Into<String>, local: impl Into<PathBuf>) -> Request<SshDownload> {
        Request::new(self.0.download(remote, local))
    }

    /// Makes a TCP port of the session reachable on this machine.
    pub fn forward_local(&self, port: u16) -> Request<ForwardLocal> {
        Request::new(self.0.forward_local(port))
    }
}

impl Session {
    /// Connects to the session over SSH.
    ///
    /// ```no_run
    /// # fn example(session: sandbox_sessions::blocking::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().private_key_file("id_ed25519").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ssh(&self) -> Request<SessionSshClientBuilder> {
        Request::new(self.inner().ssh())
    }
}

impl SessionsClient {
    /// Connects to a session over SSH.
    ///
    /// ```no_run
    /// # use sandbox_sessions::SessionId;
    /// # fn example(
    /// #     client: sandbox_sessions::blocking::SessionsClient,
    /// #     id: SessionId,
    /// # ) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = client.ssh(&id).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ssh(&self, id: &SessionId) -> Request<SessionSshClientBuilder> {
        Request::new(self.inner().ssh(id))
    }
}

impl Request<SessionSshClientBuilder> {
    /// See [`SessionSshClientBuilder::user`].
    pub fn user(self, user: impl Into<String>) -> Self {
        Self(self.0.user(user))
    }

    /// See [`SessionSshClientBuilder::private_key`].
    pub fn private_key(self, text: impl Into<SecretString>) -> Self {
        Self(self.0.private_key(text))
    }

    /// See [`SessionSshClientBuilder::private_key_file`].
    pub fn private_key_file(self, path: impl Into<PathBuf>) -> Self {
        Self(self.0.private_key_file(path))
    }

    /// See [`SessionSshClientBuilder::passphrase`].
    pub fn passphrase(self, passphrase: impl Into<SecretString>) -> Self {
        Self(self.0.passphrase(passphrase))
    }

    /// See [`SessionSshClientBuilder::agent`].
    #[cfg(unix)]
    pub fn agent(self) -> Self {
        Self(self.0.agent())
    }

    /// See [`SessionSshClientBuilder::password`].
    pub fn password(self, password: impl Into<SecretString>) -> Self {
        Self(self.0.password(password))
    }

    /// See [`SessionSshClientBuilder::host_key`].
    pub fn host_key(self, line: impl Into<String>) -> Self {
        Self(self.0.host_key(line))
    }

    /// See [`SessionSshClientBuilder::known_hosts`].
    pub fn known_hosts(self, path: impl Into<PathBuf>) -> Self {
        Self(self.0.known_hosts(path))
    }

    /// See [`SessionSshClientBuilder::known_hosts_accept_new`].
    pub fn known_hosts_accept_new(self, path: impl Into<PathBuf>) -> Self {
        Self(self.0.known_hosts_accept_new(path))
    }

    /// See [`SessionSshClientBuilder::danger_accept_any_host_key`].
    pub fn danger_accept_any_host_key(self) -> Self {
        Self(self.0.danger_accept_any_host_key())
    }

    /// See [`SessionSshClientBuilder::connect_timeout`].
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self(self.0.connect_timeout(timeout))
    }

    /// See [`SessionSshClientBuilder::keepalive`].
    pub fn keepalive(self, interval: impl Into<Option<Duration>>) -> Self {
        Self(self.0.keepalive(interval))
    }
}

impl Request<SshRunCommand> {
    /// See [`SshRunCommand::env`].
    pub fn env(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self(self.0.env(name, value))
    }

    /// See [`SshRunCommand::stdin`].
    pub fn stdin(self, bytes: impl Into<Bytes>) -> Self {
        Self(self.0.stdin(bytes))
    }

    /// See [`SshRunCommand::output_limit`].
    pub fn output_limit(self, bytes: usize) -> Self {
        Self(self.0.output_limit(bytes))
    }
}

impl Request<ForwardLocal> {
    /// See [`ForwardLocal::listen`].
    pub fn listen(self, address: SocketAddr) -> Self {
        Self(self.0.listen(address))
    }
}

impl Request<SshUpload> {
    /// See [`SshUpload::keep_permissions`].
    pub fn keep_permissions(self, keep: bool) -> Self {
        Self(self.0.keep_permissions(keep))
    }

    /// See [`SshUpload::resume`].
    pub fn resume(self, resume: bool) -> Self {
        Self(self.0.resume(resume))
    }

    /// See [`SshUpload::progress`].
    pub fn progress(self, observer: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        Self(self.0.progress(observer))
    }
}

impl Request<SshDownload> {
    /// See [`SshDownload::keep_permissions`].
    pub fn keep_permissions(self, keep: bool) -> Self {
        Self(self.0.keep_permissions(keep))
    }

    /// See [`SshDownload::resume`].
    pub fn resume(self, resume: bool) -> Self {
        Self(self.0.resume(resume))
    }

    /// See [`SshDownload::progress`].
    pub fn progress(self, observer: impl Fn(TransferProgress) + Send + Sync + 'static) -> Self {
        Self(self.0.progress(observer))
    }
}

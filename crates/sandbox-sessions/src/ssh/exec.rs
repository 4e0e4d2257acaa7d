use std::fmt;
use std::future::IntoFuture;

use sandbox_tunnel::{ExecRequest, TerminalSize};

use super::run_command::check_names;
use super::{SessionSshClient, SshProcess};
use crate::Error;
use crate::error::from_tunnel_error;
use crate::requests::RequestFuture;

/// What a shell's terminal is unless something else is asked for.
const TERM: &str = "xterm-256color";
const SIZE: TerminalSize = TerminalSize {
    columns: 80,
    rows: 24,
};

/// A program to be started, made by [`SessionSshClient::exec`] and [`SessionSshClient::shell`]; awaiting it starts it on
/// a connection of its own.
///
/// ```no_run
/// use sandbox_sessions::ssh::ExecEvent;
///
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let mut process = ssh.exec("for i in 1 2 3; do echo $i; sleep 1; done").await?;
/// while let Some(event) = process.output.next().await? {
///     match event {
///         ExecEvent::Stdout(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
///         ExecEvent::Exit(exit) => println!("{exit:?}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`SessionSshClientBuilder`](super::SessionSshClientBuilder), and
/// [`ErrorKind::Operation`](crate::ErrorKind::Operation) when the program cannot be started.
#[must_use = "a program is started only when this is awaited"]
pub struct SshExec {
    ssh: SessionSshClient,
    command: Option<String>,
    env: Vec<(String, String)>,
    terminal: Option<(String, TerminalSize)>,
}

impl SshExec {
    pub(super) fn command(ssh: SessionSshClient, command: String) -> Self {
        Self {
            ssh,
            command: Some(command),
            env: Vec::new(),
            terminal: None,
        }
    }

    pub(super) fn shell(ssh: SessionSshClient) -> Self {
        Self {
            ssh,
            command: None,
            env: Vec::new(),
            terminal: Some((TERM.to_owned(), SIZE)),
        }
    }

    /// Sets an environment variable.
    ///
    /// ```no_run
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// let process = ssh.exec("make -j2").env("CFLAGS", "-O2").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives it a terminal of the kind `term`, as in `xterm-256color`. Both its outputs then come as standard output.
    ///
    /// ```no_run
    /// use sandbox_sessions::ssh::TerminalSize;
    ///
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// let size = TerminalSize { columns: 80, rows: 24 };
    /// let top = ssh.exec("top").terminal("xterm-256color", size).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminal(mut self, term: impl Into<String>, size: TerminalSize) -> Self {
        self.terminal = Some((term.into(), size));
        self
    }

    /// Gives it no terminal.
    ///
    /// ```no_run
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// let shell = ssh.shell().no_terminal().await?;
    /// shell.input.write("make\nmake install\n").await?;
    /// shell.input.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn no_terminal(mut self) -> Self {
        self.terminal = None;
        self
    }

    async fn start(self) -> Result<SshProcess, Error> {
        let names: Vec<String> = self.env.iter().map(|(name, _)| name.clone()).collect();
        check_names(&names)?;
        let mut request = self.command.map_or_else(ExecRequest::shell, ExecRequest::command);
        for (name, value) in self.env {
            request = request.env(name, value);
        }
        if let Some((term, size)) = self.terminal {
            request = request.terminal(term, size);
        }
        let connection = self.ssh.own_connection().await?;
        let exec = connection.exec(request).await;
        exec.map(SshProcess::new)
            .map_err(|error| from_tunnel_error(error).during("start a program over SSH"))
    }
}

impl IntoFuture for SshExec {
    type Output = Result<SshProcess, Error>;
    type IntoFuture = RequestFuture<SshProcess>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

/// Leaves the command and its environment out: they are the user's.
impl fmt::Debug for SshExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshExec")
            .field("ssh", &self.ssh)
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

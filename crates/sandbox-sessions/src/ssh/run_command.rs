use std::borrow::Cow;
use std::fmt;
use std::future::IntoFuture;

use bytes::Bytes;
use sandbox_tunnel::{ExecOutput, ExecRequest, Exit};

use super::SessionSshClient;
use crate::Error;
use crate::arguments::check_variable_name;
use crate::error::from_tunnel_error;
use crate::requests::RequestFuture;

/// A command to be run to its end, made by [`SessionSshClient::run_command`]; awaiting it runs it.
///
/// Of each output 16 MiB are kept. Dropping the future kills the command.
///
/// ```no_run
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let output = ssh.run_command("sort").stdin("b\na\n").env("LC_ALL", "C").await?;
/// assert_eq!(output.stdout(), "a\nb\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for the name of a variable that is none;
/// [`Connection`](crate::ErrorKind::Connection) when the connection is lost, upon which it is not known how the command
/// ended. A command that fails is no error.
#[must_use = "a command is run only when it is awaited"]
pub struct SshRunCommand {
    ssh: SessionSshClient,
    request: ExecRequest,
    names: Vec<String>,
}

impl SshRunCommand {
    pub(super) fn new(ssh: SessionSshClient, command: String) -> Self {
        Self {
            ssh,
            request: ExecRequest::command(command),
            names: Vec::new(),
        }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.names.push(name.clone());
        self.request = self.request.env(name, value);
        self
    }

    /// What the command reads; nothing by default.
    pub fn stdin(mut self, bytes: impl Into<Bytes>) -> Self {
        self.request = self.request.stdin(bytes);
        self
    }

    /// How many bytes are kept of each output, instead of 16 MiB. The rest is read and dropped.
    ///
    /// ```no_run
    /// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
    /// let output = ssh.run_command("yes | head -c 1000000").output_limit(1024).await?;
    /// assert_eq!((output.stdout_bytes().len(), output.is_truncated()), (1024, true));
    /// # Ok(())
    /// # }
    /// ```
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.request = self.request.stdout_limit(bytes).stderr_limit(bytes);
        self
    }

    async fn run(self) -> Result<SshCommandOutput, Error> {
        check_names(&self.names)?;
        let (connection, _place) = self.ssh.shared_connection().await?;
        let output = connection.run(self.request).await;
        output
            .map(SshCommandOutput)
            .map_err(|error| from_tunnel_error(error).during("run command over SSH"))
    }
}

pub(super) fn check_names(names: &[String]) -> Result<(), Error> {
    names.iter().try_for_each(|name| check_variable_name(name))
}

impl IntoFuture for SshRunCommand {
    type Output = Result<SshCommandOutput, Error>;
    type IntoFuture = RequestFuture<SshCommandOutput>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Leaves the command out: it is the user's.
impl fmt::Debug for SshRunCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshRunCommand")
            .field("ssh", &self.ssh)
            .finish_non_exhaustive()
    }
}

/// What a command that ran to its end left behind.
///
/// ```no_run
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let output = ssh.run_command("cat /proc/self/status").output_limit(4096).await?;
/// if output.is_success() {
///     print!("{}", output.stdout());
/// } else if let Some(signal) = output.exit_signal() {
///     eprintln!("ended by SIG{signal}");
/// } else {
///     eprintln!("{:?}: {}", output.exit_code(), output.stderr());
/// }
/// if output.is_truncated() {
///     eprintln!("more than {} bytes", output.stdout_bytes().len().max(output.stderr_bytes().len()));
/// }
/// println!("{:?}", output.exit());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SshCommandOutput(ExecOutput);

impl SshCommandOutput {
    /// Standard output as text; what is not UTF-8 in it is replaced.
    #[must_use]
    pub fn stdout(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.stdout)
    }

    /// Standard error as text; what is not UTF-8 in it is replaced.
    #[must_use]
    pub fn stderr(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.stderr)
    }

    /// Standard output as it was.
    #[must_use]
    pub fn stdout_bytes(&self) -> &[u8] {
        &self.0.stdout
    }

    /// Standard error as it was.
    #[must_use]
    pub fn stderr_bytes(&self) -> &[u8] {
        &self.0.stderr
    }

    /// Whether an output went on beyond what was kept of it.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.0.stdout_truncated || self.0.stderr_truncated
    }

    /// How the command ended.
    #[must_use]
    pub fn exit(&self) -> &Exit {
        &self.0.exit
    }

    /// Its exit code, if it ended by itself.
    #[must_use]
    pub fn exit_code(&self) -> Option<u32> {
        match &self.0.exit {
            Exit::Code(code) => Some(*code),
            _ => None,
        }
    }

    /// The signal it was ended by, without the `SIG`, as in `KILL`.
    #[must_use]
    pub fn exit_signal(&self) -> Option<&str> {
        match &self.0.exit {
            Exit::Signal { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether it ended by itself with 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.exit_code() == Some(0)
    }
}

/// Leaves the output out: it is the user's.
impl fmt::Debug for SshCommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshCommandOutput")
            .field("exit", &self.0.exit)
            .field("stdout", &self.0.stdout.len())
            .field("stderr", &self.0.stderr.len())
            .finish()
    }
}

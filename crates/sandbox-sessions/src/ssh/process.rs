use bytes::Bytes;
use sandbox_tunnel::{Exec, ExecEvent, ExecInput, ExecOutputStream, Signal, TerminalSize};

use crate::error::from_tunnel_error;
use crate::{Error, ErrorKind};

/// A running program. Dropping both halves ends it.
///
/// ```no_run
/// use sandbox_sessions::ssh::{ExecEvent, Exit};
///
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let mut sort = ssh.exec("sort").await?;
/// sort.input.write("b\na\n").await?;
/// sort.input.finish().await?;
/// while let Some(event) = sort.output.next().await? {
///     match event {
///         ExecEvent::Stdout(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
///         ExecEvent::Stderr(bytes) => eprint!("{}", String::from_utf8_lossy(&bytes)),
///         ExecEvent::Exit(exit) => assert_eq!(exit, Exit::Code(0)),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SshProcess {
    /// To the program; clones share it.
    pub input: SshInput,
    /// From the program.
    pub output: SshOutput,
}

/// A program's standard input, its signals and its terminal.
///
/// ```no_run
/// use sandbox_sessions::ssh::{Signal, TerminalSize};
///
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let size = TerminalSize { columns: 80, rows: 24 };
/// let editor = ssh.exec("vi notes.txt").terminal("xterm-256color", size).await?;
/// editor.input.write("ihello").await?;
/// editor.input.resize(TerminalSize { columns: 120, rows: 40 }).await?;
/// editor.input.signal(Signal::Terminate).await?;
/// editor.input.finish().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SshInput(ExecInput);

/// What a program writes, and how it ends.
///
/// ```no_run
/// # async fn example(ssh: sandbox_sessions::SessionSshClient) -> Result<(), sandbox_sessions::Error> {
/// let mut process = ssh.exec("ping -c 3 127.0.0.1").await?;
/// while let Some(event) = process.output.next().await? {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SshOutput {
    stream: ExecOutputStream,
    has_ended: bool,
}

impl SshProcess {
    pub(super) fn new(exec: Exec) -> Self {
        Self {
            input: SshInput(exec.input),
            output: SshOutput {
                stream: exec.output,
                has_ended: false,
            },
        }
    }
}

impl SshInput {
    /// Writes to standard input; waits while the program reads more slowly than this writes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when the program, or the connection, has ended.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        self.0.write(bytes).await.map_err(from_tunnel_error)
    }

    /// Ends standard input.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when the connection has ended.
    pub async fn finish(&self) -> Result<(), Error> {
        self.0.finish().await.map_err(from_tunnel_error)
    }

    /// Sends a signal to the program and its children. That it arrived is not known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when the connection has ended.
    pub async fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.0.signal(signal).await.map_err(from_tunnel_error)
    }

    /// Tells the program's terminal its new size.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when the connection has ended.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), Error> {
        self.0.resize(size).await.map_err(from_tunnel_error)
    }
}

impl SshOutput {
    /// The next thing the program did; `None` when all is said, which includes how it ended. Reading slowly holds the
    /// program back. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when the connection is lost before the program has ended, as when its session is
    /// deleted.
    pub async fn next(&mut self) -> Result<Option<ExecEvent>, Error> {
        let event = self.stream.next().await;
        match &event {
            Some(ExecEvent::Exit(_)) => self.has_ended = true,
            None if !self.has_ended => {
                let message = "the connection to the session was lost before the program had ended";
                return Err(Error::new(ErrorKind::Connection, message));
            }
            _ => {}
        }
        Ok(event)
    }
}

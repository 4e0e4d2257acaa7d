//! Running a command with its streams.

use std::fmt;

use bytes::Bytes;
use russh::{ChannelMsg, Sig};

use crate::{
    Error, ErrorKind, Phase, SshClient,
    channel::{self, Receiver, Sender},
};

/// Bytes handed to the session at once; a reservation is made for each piece.
const PIECE: usize = 32 << 10;

/// What a run keeps of each output unless told otherwise.
const DEFAULT_OUTPUT_LIMIT: usize = 16 << 20;

/// SSH's number for standard error among the "extended data" of a channel.
const STDERR: u32 = 1;

/// What to run, and how.
///
/// ```
/// use sandbox_tunnel::ExecRequest;
/// let request = ExecRequest::command("sort").env("LC_ALL", "C").stdin("b\na\n").stdout_limit(1 << 20);
/// ```
#[derive(Clone)]
#[must_use]
pub struct ExecRequest {
    /// `None` asks for the user's shell.
    pub(crate) command: Option<Bytes>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) terminal: Option<(String, TerminalSize)>,
    pub(crate) in_one_flight: bool,
    pub(crate) stdin: Bytes,
    pub(crate) stdout_limit: usize,
    pub(crate) stderr_limit: usize,
}

/// The size of a terminal in characters.
///
/// ```
/// use sandbox_tunnel::{ExecRequest, TerminalSize};
///
/// let size = TerminalSize { columns: 80, rows: 24 };
/// let shell = ExecRequest::shell().terminal("xterm-256color", size);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Characters per line.
    pub columns: u32,
    /// Lines.
    pub rows: u32,
}

/// A running command.
///
/// Dropping both halves closes the channel, upon which the sandbox agent kills the command.
///
/// ```no_run
/// use sandbox_tunnel::ExecRequest;
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
/// let mut sort = client.exec(ExecRequest::command("sort")).await?;
/// sort.input.write("b\na\n").await?;
/// sort.input.finish().await?;
/// while let Some(event) = sort.output.next().await {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Exec {
    /// To the command; clones share it.
    pub input: ExecInput,
    /// From the command.
    pub output: ExecOutputStream,
}

/// Standard input of a command, its signals and its terminal.
///
/// ```no_run
/// use sandbox_tunnel::{ExecRequest, Signal, TerminalSize};
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
/// let request = ExecRequest::shell().terminal("xterm", TerminalSize { columns: 80, rows: 24 });
/// let shell = client.exec(request).await?;
/// let keyboard = shell.input.clone();
/// keyboard.write("sleep 1000\n").await?;
/// keyboard.resize(TerminalSize { columns: 120, rows: 40 }).await?;
/// keyboard.signal(Signal::Hangup).await?;
/// keyboard.finish().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ExecInput(Sender);

/// What a command writes, and how it ends.
///
/// ```no_run
/// use sandbox_tunnel::{ExecEvent, ExecRequest};
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
/// let mut exec = client.exec(ExecRequest::command("make")).await?;
/// let mut exit = None;
/// while let Some(event) = exec.output.next().await {
///     match event {
///         ExecEvent::Stdout(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
///         ExecEvent::Stderr(bytes) => eprint!("{}", String::from_utf8_lossy(&bytes)),
///         ExecEvent::Exit(how) => exit = Some(how),
///         _ => {}
///     }
/// }
/// assert!(exit.is_some(), "the connection was lost");
/// # Ok(())
/// # }
/// ```
pub struct ExecOutputStream {
    receiver: Receiver,
    // The channel stays open while somebody listens, also when the input was dropped.
    _sender: Sender,
}

/// One thing a running command did.
///
/// ```
/// use sandbox_tunnel::{ExecEvent, Exit};
///
/// /// What a stream of events says that is worth a line in a log.
/// fn line(event: &ExecEvent) -> Option<String> {
///     match event {
///         ExecEvent::Stderr(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
///         ExecEvent::Exit(exit) => Some(format!("{exit:?}")),
///         _ => None,
///     }
/// }
/// assert_eq!(line(&ExecEvent::Exit(Exit::Code(2))).as_deref(), Some("Code(2)"));
/// assert_eq!(line(&ExecEvent::Stdout("ok\n".into())), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecEvent {
    /// It wrote to standard output (or to its terminal).
    Stdout(Bytes),
    /// It wrote to standard error.
    Stderr(Bytes),
    /// It ended. Output may still follow from servers that report the end early; the sandbox agent sends it
    /// last.
    Exit(Exit),
}

/// How a command ended.
///
/// ```
/// use sandbox_tunnel::Exit;
///
/// /// As shells number it.
/// fn code(exit: &Exit) -> u32 {
///     match exit {
///         Exit::Code(code) => *code,
///         Exit::Signal { name, .. } if name == "KILL" => 128 + 9,
///         _ => 255,
///     }
/// }
/// assert_eq!(code(&Exit::Code(3)), 3);
/// assert_eq!(code(&Exit::Signal { name: "KILL".to_owned(), message: String::new() }), 137);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// By itself, with this exit code.
    Code(u32),
    /// By a signal.
    Signal {
        /// Without the `SIG`, as in `KILL`.
        name: String,
        /// The server's words about it; may be empty.
        message: String,
    },
}

/// A signal that SSH can carry.
///
/// ```no_run
/// use sandbox_tunnel::{ExecRequest, Signal};
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
/// let exec = client.exec(ExecRequest::command("sleep 1000")).await?;
/// exec.input.signal(Signal::Interrupt).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Signal {
    Abort,
    Alarm,
    Hangup,
    Interrupt,
    Kill,
    Quit,
    Terminate,
    User1,
    User2,
}

impl ExecRequest {
    /// A command line for the user's shell.
    pub fn command(command: impl Into<Bytes>) -> Self {
        Self {
            command: Some(command.into()),
            ..Self::shell()
        }
    }

    /// The user's login shell.
    ///
    /// ```
    /// use sandbox_tunnel::ExecRequest;
    ///
    /// let shell = ExecRequest::shell().stdin("echo $HOME\n");
    /// ```
    pub fn shell() -> Self {
        Self {
            command: None,
            env: Vec::new(),
            terminal: None,
            in_one_flight: false,
            stdin: Bytes::new(),
            stdout_limit: DEFAULT_OUTPUT_LIMIT,
            stderr_limit: DEFAULT_OUTPUT_LIMIT,
        }
    }

    /// Sets an environment variable. Servers may refuse it, and then nothing is started.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives the command a terminal of the kind `term` (as in `xterm-256color`); both its outputs then arrive
    /// as standard output.
    ///
    /// ```
    /// use sandbox_tunnel::{ExecRequest, TerminalSize};
    ///
    /// let size = TerminalSize { columns: 80, rows: 24 };
    /// let top = ExecRequest::command("top").terminal("xterm-256color", size);
    /// ```
    pub fn terminal(mut self, term: impl Into<String>, size: TerminalSize) -> Self {
        self.terminal = Some((term.into(), size));
        self
    }

    /// Sends the command right behind its environment and its terminal, which saves waiting for one answer. Only for
    /// servers that start nothing after a refusal, as a sandbox's agent does for the server of its sandbox.
    ///
    /// ```
    /// use sandbox_tunnel::ExecRequest;
    ///
    /// let request = ExecRequest::command("make").env("LC_ALL", "C").in_one_flight();
    /// ```
    pub fn in_one_flight(mut self) -> Self {
        self.in_one_flight = true;
        self
    }

    /// Bytes that [`SshClient::run`] sends to the command's standard input, followed by its end (default
    /// none). [`SshClient::exec`] sends nothing by itself: its caller writes to [`Exec::input`].
    pub fn stdin(mut self, stdin: impl Into<Bytes>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Bytes of standard output that [`SshClient::run`] keeps (default 16 MiB). The rest is read and dropped.
    pub fn stdout_limit(mut self, bytes: usize) -> Self {
        self.stdout_limit = bytes;
        self
    }

    /// Bytes of standard error that [`SshClient::run`] keeps (default 16 MiB). The rest is read and dropped.
    ///
    /// ```
    /// use sandbox_tunnel::ExecRequest;
    ///
    /// let request = ExecRequest::command("make").stdout_limit(1 << 20).stderr_limit(64 << 10);
    /// ```
    pub fn stderr_limit(mut self, bytes: usize) -> Self {
        self.stderr_limit = bytes;
        self
    }
}

pub(crate) async fn exec(client: &SshClient, request: ExecRequest) -> Result<Exec, Error> {
    let (sender, mut receiver) = channel::open(client).await?;
    let mut unanswered = prepare(&sender, &request).await?;
    if !request.in_one_flight {
        // A refusal means that nothing started.
        sender
            .replies(&mut receiver, unanswered, Phase::Preparation)
            .await?;
        unanswered = 0;
    }
    let half = sender.half();
    let sent = match request.command {
        Some(command) => half.exec(true, command).await,
        None => half.request_shell(true).await,
    };
    sent.map_err(|error| Error::ssh(Phase::Start, error))?;
    sender
        .replies(&mut receiver, unanswered + 1, Phase::Start)
        .await?;
    let input = ExecInput(sender.clone());
    let output = ExecOutputStream {
        receiver,
        _sender: sender,
    };
    Ok(Exec { input, output })
}

/// Asks for environment and terminal; returns the number of answers to come.
async fn prepare(sender: &Sender, request: &ExecRequest) -> Result<usize, Error> {
    let half = sender.half();
    let failed = |error| Error::ssh(Phase::Preparation, error);
    for (name, value) in &request.env {
        half.set_env(true, name, value).await.map_err(failed)?;
    }
    if let Some((term, size)) = &request.terminal {
        half.request_pty(true, term, size.columns, size.rows, 0, 0, &[])
            .await
            .map_err(failed)?;
    }
    Ok(request.env.len() + usize::from(request.terminal.is_some()))
}

impl ExecInput {
    /// Writes to standard input; waits while the command reads more slowly than this writes.
    ///
    /// # Errors
    ///
    /// When the channel or the connection has ended.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let mut bytes = bytes.into();
        let half = self.0.half();
        let backlog = self.0.client().backlog();
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            let lost = |error| Error::caused_by(Phase::Transfer, ErrorKind::Disconnected, error);
            let _reservation = backlog.reserve(piece.len()).await.map_err(lost)?;
            tokio::select! {
                biased;
                sent = half.data_bytes(piece) => sent.map_err(|error| Error::ssh(Phase::Transfer, error))?,
                () = self.0.ended() => return Err(Error::new(Phase::Transfer, ErrorKind::Disconnected)),
            }
        }
        Ok(())
    }

    /// Ends standard input.
    ///
    /// # Errors
    ///
    /// When the connection has ended.
    pub async fn finish(&self) -> Result<(), Error> {
        self.0
            .half()
            .eof()
            .await
            .map_err(|error| Error::ssh(Phase::Transfer, error))
    }

    /// Sends a signal to the command's process group.
    ///
    /// # Errors
    ///
    /// When the connection has ended. Servers do not answer, so that the signal arrived is not known.
    pub async fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.0
            .half()
            .signal(signal.into())
            .await
            .map_err(|error| Error::ssh(Phase::Transfer, error))
    }

    /// Tells the command's terminal its new size.
    ///
    /// # Errors
    ///
    /// When the connection has ended.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), Error> {
        let half = self.0.half();
        half.window_change(size.columns, size.rows, 0, 0)
            .await
            .map_err(|error| Error::ssh(Phase::Transfer, error))
    }
}

impl ExecOutputStream {
    /// The next thing the command did; `None` when all is said.
    ///
    /// `None` without an [`ExecEvent::Exit`] before it means that the connection ended and how the command
    /// ended is not known. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ExecEvent> {
        loop {
            match self.receiver.next().await? {
                ChannelMsg::Data { data } => return Some(ExecEvent::Stdout(data)),
                ChannelMsg::ExtendedData { data, ext: STDERR } => return Some(ExecEvent::Stderr(data)),
                ChannelMsg::ExitStatus { exit_status } => {
                    return Some(ExecEvent::Exit(Exit::Code(exit_status)));
                }
                ChannelMsg::ExitSignal {
                    signal_name,
                    error_message,
                    ..
                } => {
                    let name = name_of(&signal_name).to_owned();
                    return Some(ExecEvent::Exit(Exit::Signal {
                        name,
                        message: error_message,
                    }));
                }
                _ => {}
            }
        }
    }
}

impl From<Signal> for Sig {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Abort => Self::ABRT,
            Signal::Alarm => Self::ALRM,
            Signal::Hangup => Self::HUP,
            Signal::Interrupt => Self::INT,
            Signal::Kill => Self::KILL,
            Signal::Quit => Self::QUIT,
            Signal::Terminate => Self::TERM,
            Signal::User1 => Self::USR1,
            Signal::User2 => Self::Custom("USR2".to_owned()),
        }
    }
}

fn name_of(signal: &Sig) -> &str {
    match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => name,
    }
}

impl fmt::Debug for ExecRequest {
    // Commands, environments and inputs hold users' secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecRequest")
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ExecInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecInput").finish_non_exhaustive()
    }
}

impl fmt::Debug for ExecOutputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecOutputStream").finish_non_exhaustive()
    }
}

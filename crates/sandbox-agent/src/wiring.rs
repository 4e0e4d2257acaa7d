//! The pipes or the terminal between a program and its channel.

use std::{future::Future, io, os::fd::OwnedFd, pin::Pin, sync::Arc, time::Duration};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use sandbox_isolation::Terminal;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::{
    input::Input,
    outlet::{Outlet, Stream},
    terminal::{self, Size},
};

/// The size of the SFTP server's pipes; the usual 64 KiB cost a good part of its speed.
const LARGE_PIPE: usize = 512 << 10;

/// How long after the end of a program on a terminal its last output is waited for. What it left in the
/// background may hold the terminal for ever.
const TERMINAL_LINGER: Duration = Duration::from_millis(100);

/// Our ends.
pub(crate) enum Wiring {
    Pipes {
        stdin: Sender,
        stdout: Receiver,
        stderr: Receiver,
    },
    Terminal {
        terminal: Arc<Terminal>,
        keyboard: Sender,
        screen: Receiver,
    },
}

/// The program's ends. To be dropped once it is started, or the outputs would never end.
pub(crate) struct Theirs {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) is_terminal: bool,
}

/// Ends when the program's outputs have ended and are sent.
pub(crate) type Output = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Wiring {
    pub(crate) fn pipes() -> io::Result<(Self, Theirs)> {
        let (stdin, to_stdin) = pipe_with(PipeFlags::CLOEXEC)?;
        let (from_stdout, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (from_stderr, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        let ours = Self::Pipes {
            stdin: Sender::from_owned_fd(to_stdin)?,
            stdout: Receiver::from_owned_fd(from_stdout)?,
            stderr: Receiver::from_owned_fd(from_stderr)?,
        };
        Ok((
            ours,
            Theirs {
                stdin,
                stdout,
                stderr,
                is_terminal: false,
            },
        ))
    }

    pub(crate) fn large_pipes() -> io::Result<(Self, Theirs)> {
        let (ours, theirs) = Self::pipes()?;
        for pipe in [&theirs.stdin, &theirs.stdout] {
            // Refused where the user's pipes take too much memory already: slower, not wrong.
            let _ = fcntl_setpipe_size(pipe, LARGE_PIPE);
        }
        Ok((ours, theirs))
    }

    pub(crate) fn terminal(size: Size) -> io::Result<(Self, Theirs)> {
        let (terminal, keyboard, screen, program) = terminal::open(size)?;
        let (stdin, stdout) = (program.try_clone()?, program.try_clone()?);
        let ours = Self::Terminal {
            terminal: Arc::new(terminal),
            keyboard,
            screen,
        };
        Ok((
            ours,
            Theirs {
                stdin,
                stdout,
                stderr: program,
                is_terminal: true,
            },
        ))
    }

    /// What controls the terminal, if there is one.
    pub(crate) fn control(&self) -> Option<Arc<Terminal>> {
        match self {
            Self::Pipes { .. } => None,
            Self::Terminal { terminal, .. } => Some(Arc::clone(terminal)),
        }
    }

    /// How long the outputs may stay open after the program's end, where the peer does not say.
    pub(crate) fn default_linger(&self) -> Option<Duration> {
        self.control().map(|_| TERMINAL_LINGER)
    }

    /// Starts carrying the input, and gives what carries the output when polled. Once `stop` is cancelled the
    /// output ends with what is there by then.
    pub(crate) fn connect(self, input: Arc<Input>, outlet: Arc<Outlet>, stop: CancellationToken) -> Output {
        match self {
            Self::Pipes {
                stdin,
                stdout,
                stderr,
            } => {
                tokio::spawn(async move { input.drain_into(stdin).await });
                Box::pin(async move {
                    let stdout = outlet.pump(stdout, Stream::Stdout, &stop);
                    let stderr = outlet.pump(stderr, Stream::Stderr, &stop);
                    tokio::join!(stdout, stderr);
                })
            }
            Self::Terminal {
                mut keyboard, screen, ..
            } => {
                tokio::spawn(async move {
                    input.drain(&mut keyboard).await;
                    terminal::type_end_of_file(&keyboard);
                });
                Box::pin(async move { outlet.pump(screen, Stream::Stdout, &stop).await })
            }
        }
    }
}

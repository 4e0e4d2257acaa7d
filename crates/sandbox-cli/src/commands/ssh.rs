use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use sandbox_sessions::ssh::{
    ExecEvent, Exit, SessionSshClientBuilder, SshExec, SshInput, SshOutput, SshProcess, TerminalSize,
};
use sandbox_sessions::{SessionId, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt, stderr, stdin, stdout};
use tokio::signal::unix::{SignalKind, signal};

use super::exec::command_line;
use crate::api::Api;
use crate::arguments::Ssh;
use crate::exit;
use crate::interrupt::Interrupts;
use crate::raw_mode::RawMode;

/// Bytes of standard input that are sent at once.
const PIECE: usize = 32 << 10;

pub(crate) async fn run(ssh: &Ssh, api: &Api) -> anyhow::Result<ExitCode> {
    let id = ssh.session.resolve(&api.client).await?;
    let client = login(&api.client, id, ssh.login.identity.as_deref()).await?;
    let request = if ssh.command.is_empty() {
        client.shell().no_terminal()
    } else {
        client.exec(command_line(&ssh.command)?)
    };
    let attached = Attached {
        env: &ssh.env,
        input: true,
        terminal: ssh.tty || ssh.command.is_empty(),
    };
    attend(request, &attached).await
}

/// With the key in a file, or those of the SSH agent.
pub(crate) fn login(
    client: &SessionsClient,
    id: SessionId,
    identity: Option<&Path>,
) -> SessionSshClientBuilder {
    let builder = client.ssh(&id);
    match identity {
        Some(file) => builder.private_key_file(file),
        None if std::env::var_os("SSH_AUTH_SOCK").is_some() => builder.agent(),
        None => builder,
    }
}

/// What a program gets of this command's surroundings.
pub(crate) struct Attached<'a> {
    pub(crate) env: &'a [(String, String)],
    /// Standard input.
    pub(crate) input: bool,
    /// The terminal at standard input, if there is one.
    pub(crate) terminal: bool,
}

/// Starts a program, and carries input and output until it has ended.
pub(crate) async fn attend(request: SshExec, attached: &Attached<'_>) -> anyhow::Result<ExitCode> {
    let size = attached.terminal.then(terminal_size).flatten();
    let mut request = request;
    for (name, value) in attached.env {
        request = request.env(name, value);
    }
    if let Some(size) = size {
        let term = std::env::var("TERM").unwrap_or_else(|_| "xterm-256color".to_owned());
        request = request.terminal(term, size);
    }
    let process = request.await?;
    let mut interrupts = Interrupts::listen()?;
    let _raw = size
        .filter(|_| attached.input)
        .map(|_| RawMode::enter())
        .transpose()
        .context("cannot switch the terminal")?;
    tokio::select! {
        exit = carry(process, attached.input, size.is_some()) => exit,
        code = interrupts.next() => Ok(code),
    }
}

async fn carry(process: SshProcess, has_input: bool, at_terminal: bool) -> anyhow::Result<ExitCode> {
    let SshProcess { input, output } = process;
    let sizes = input.clone();
    let feeding = tokio::spawn(async move {
        if has_input {
            feed(&input).await;
        }
        let _ = input.finish().await;
    });
    let following = at_terminal.then(|| tokio::spawn(follow_size(sizes)));
    let exit = print(output).await;
    feeding.abort();
    if let Some(following) = following {
        following.abort();
    }
    exit.map(|exit| code(exit.as_ref()))
}

/// Prints what the program writes, each output to its own.
async fn print(mut output: SshOutput) -> anyhow::Result<Option<Exit>> {
    let (mut out, mut err) = (stdout(), stderr());
    let mut exit = None;
    while let Some(event) = output.next().await? {
        let written = match event {
            ExecEvent::Stdout(bytes) => write(&mut out, &bytes).await,
            ExecEvent::Stderr(bytes) => write(&mut err, &bytes).await,
            ExecEvent::Exit(how) => {
                exit = Some(how);
                Ok(())
            }
            _ => Ok(()),
        };
        written.context("cannot write what the command writes")?;
    }
    Ok(exit)
}

async fn write(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Sends standard input until it ends, or nobody takes it any more.
async fn feed(input: &SshInput) {
    let mut from = stdin();
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let bytes = piece.get(..read).unwrap_or_default().to_vec();
        if input.write(bytes).await.is_err() {
            return;
        }
    }
}

/// Tells the program when the terminal has another size.
async fn follow_size(input: SshInput) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return;
    };
    while changes.recv().await.is_some() {
        if let Some(size) = terminal_size() {
            let _ = input.resize(size).await;
        }
    }
}

/// The size of the terminal that this command is used at, if it is.
fn terminal_size() -> Option<TerminalSize> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(io::stdin()).ok()?;
    Some(TerminalSize {
        columns: size.ws_col.into(),
        rows: size.ws_row.into(),
    })
}

/// The exit code that tells of it; for a signal as shells have it.
fn code(exit: Option<&Exit>) -> ExitCode {
    let code = match exit {
        Some(Exit::Code(code)) => u8::try_from(*code).ok(),
        Some(Exit::Signal { name, .. }) => number(name).map(|number| 128 + number),
        _ => None,
    };
    ExitCode::from(code.unwrap_or(exit::FAILED))
}

/// The signals that SSH has names for, with their numbers on Linux.
fn number(name: &str) -> Option<u8> {
    const NUMBERS: [(&str, u8); 13] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("ABRT", 6),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
    ];
    NUMBERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

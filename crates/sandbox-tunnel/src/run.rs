//! Running a command to its end.

use bytes::Bytes;

use crate::{Error, ErrorKind, Exec, ExecEvent, ExecInput, ExecRequest, Exit, Phase, SshClient, exec::exec};

/// What a command that ran to its end left behind.
///
/// ```no_run
/// use sandbox_tunnel::{ExecRequest, Exit};
///
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), sandbox_tunnel::Error> {
/// let output = client.run(ExecRequest::command("ls -l /proc").stdout_limit(4096)).await?;
/// print!("{}", String::from_utf8_lossy(&output.stdout));
/// if output.stdout_truncated {
///     println!("and so on");
/// }
/// if output.exit != Exit::Code(0) {
///     eprintln!("{:?}: {}", output.exit, String::from_utf8_lossy(&output.stderr));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// The first bytes of standard output, up to the limit of the request.
    pub stdout: Vec<u8>,
    /// The first bytes of standard error, up to the limit of the request.
    pub stderr: Vec<u8>,
    /// Whether standard output went on beyond the limit.
    pub stdout_truncated: bool,
    /// Whether standard error went on beyond the limit.
    pub stderr_truncated: bool,
    /// How the command ended.
    pub exit: Exit,
}

/// Output up to a limit.
struct Collected {
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Collected {
    fn up_to(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            truncated: false,
        }
    }

    fn add(&mut self, more: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes.len());
        self.truncated |= more.len() > room;
        self.bytes.extend(more.iter().take(room));
    }
}

pub(crate) async fn run(client: &SshClient, mut request: ExecRequest) -> Result<ExecOutput, Error> {
    let stdin = std::mem::take(&mut request.stdin);
    let mut stdout = Collected::up_to(request.stdout_limit);
    let mut stderr = Collected::up_to(request.stderr_limit);
    let mut exit = None;
    let Exec { input, mut output } = exec(client, request).await?;
    let feeding = feed(&input, stdin);
    tokio::pin!(feeding);
    let mut fed = false;
    loop {
        let event = tokio::select! {
            () = &mut feeding, if !fed => { fed = true; continue }
            event = output.next() => event,
        };
        match event {
            Some(ExecEvent::Stdout(bytes)) => stdout.add(&bytes),
            Some(ExecEvent::Stderr(bytes)) => stderr.add(&bytes),
            Some(ExecEvent::Exit(how)) => exit = Some(how),
            None => break,
        }
    }
    let exit = exit.ok_or_else(|| Error::new(Phase::Transfer, ErrorKind::Disconnected))?;
    Ok(ExecOutput {
        stdout: stdout.bytes,
        stderr: stderr.bytes,
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        exit,
    })
}

/// A command may well end without having read its input, so that a failure here says nothing: what happened
/// to the command is told by its output.
async fn feed(input: &ExecInput, stdin: Bytes) {
    if input.write(stdin).await.is_ok() {
        let _ = input.finish().await;
    }
}

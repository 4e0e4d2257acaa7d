//! SSH and SFTP to a session, through the API's own port.
//!
//! [`Session::ssh`](crate::Session::ssh) and [`SessionsClient::ssh`](crate::SessionsClient::ssh) connect: the API opens
//! a tunnel (HTTP `CONNECT`) to the SSH server in the session, whose host key is the one that the session names.
//!
//! ```no_run
//! # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
//! let ssh = session.ssh().await?;
//! let output = ssh.run_command("echo hello && python3 --version").await?;
//! assert_eq!(output.exit_code(), Some(0));
//! ssh.upload("model.bin", "/workspace/model.bin").await?;
//! ssh.download("/workspace/results", "results").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Whom it trusts
//!
//! | host key | how |
//! | --- | --- |
//! | the one that the session names (default) | any where the API names none, which is then trusted for what it leads to |
//! | one that somebody has checked | [`host_key`](SessionSshClientBuilder::host_key) |
//! | those of a file, as OpenSSH has it | [`known_hosts`](SessionSshClientBuilder::known_hosts) |
//! | the first one that is seen, ever after | [`known_hosts_accept_new`](SessionSshClientBuilder::known_hosts_accept_new) |
//! | any | [`danger_accept_any_host_key`](SessionSshClientBuilder::danger_accept_any_host_key) |
//!
//! Proxies and certificates are those of the [client](crate::SessionsClient), which therefore must not have an
//! [HTTP client of its own](crate::SessionsClientBuilder::http_client).
//!
//! # What dropping does
//!
//! | dropped | what becomes of it |
//! | --- | --- |
//! | [`SshRunCommand`] while it is awaited | the command is killed |
//! | both halves of an [`SshProcess`] | the program is killed |
//! | [`SshUpload`], [`SshDownload`] while they are awaited | complete files stay, an incomplete one is removed unless it is to be [resumed](SshUpload::resume) |
//! | a [`LocalForward`] | it listens no more, and what goes through it ends |
//! | the last clone of a [`SessionSshClient`] | its connection for commands is closed; the session lives on |
//!
//! # Coming from Python
//!
//! | Python | Rust |
//! | --- | --- |
//! | `SessionSSHClient(api_url, bearer_token, session_id, username)` | `SessionsClient::new(url, token)?.ssh(&id).user(…).await?` |
//! | `SessionSSHClient(…, password=…)`, `pkey=…` | [`password`](SessionSshClientBuilder::password), [`private_key`](SessionSshClientBuilder::private_key), [`private_key_file`](SessionSshClientBuilder::private_key_file) |
//! | `with SessionSSHClient(…) as ssh:` | dropping the last clone closes the connection |
//! | `ssh.run_command(cmd)` → `stdout`, `stderr`, `exit_code` | [`run_command`](SessionSshClient::run_command)`(cmd).await?` |
//! | `ssh.upload_file(local, remote)` | [`upload`](SessionSshClient::upload)`(local, remote).await?` |
//! | `ssh.download_file(remote, local)` | [`download`](SessionSshClient::download)`(remote, local).await?` |
//! | `ssh.open_sftp()` | [`sftp`](SessionSshClient::sftp)`().await?` |

mod authentication;
mod builder;
mod client;
mod connector;
mod exec;
mod forward;
mod process;
mod run_command;
mod sftp;
mod transfer;

pub use builder::SessionSshClientBuilder;
pub use client::SessionSshClient;
pub(crate) use connector::TunnelSettings;
pub use exec::SshExec;
pub use forward::{ForwardLocal, LocalForward};
pub use process::{SshInput, SshOutput, SshProcess};
pub use run_command::{SshCommandOutput, SshRunCommand};
pub use sandbox_tunnel::{
    Create, DirEntry, ExecEvent, Exit, FileKind, Metadata, Phase, Signal, TerminalSize, TransferProgress,
    Transferred, Tunnel,
};
pub use sftp::{SessionSftp, SessionSftpFile};
pub use transfer::{SshDownload, SshUpload};

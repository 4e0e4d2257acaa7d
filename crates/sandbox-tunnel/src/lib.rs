//! SSH and SFTP client over any byte stream.
//!
//! [`SshClient::connect`] takes whatever carries bytes to an SSH server (a Unix socket, a TCP stream, an
//! upgraded HTTP connection), checks the host key, authenticates and gives a handle on which any number of
//! commands can run. The crate knows nothing of REST, of sessions or of how the stream came to be.
//!
//! - [`SshClient::run`] runs a command to its end and returns what it wrote, up to a limit.
//! - [`SshClient::exec`] runs a command whose input and output are streamed.
//! - [`SshClient::sftp`] reads and writes files, and copies whole folders.
//! - [`SshClient::connect_tcp`] reaches a port where the server is.
//!
//! With the feature `connect` there is also `Tunnel`, such a stream: HTTP `CONNECT` over TCP or TLS, through an outer
//! proxy where one is in the way.
//!
//! # One connection or several
//!
//! The channels of one SSH connection share one socket. A channel whose output nobody reads does not stop the others
//! where the server is a sandbox agent, which can be asked to send no more on that channel; with other servers it does
//! once its buffers are full. [`SshClient::run`] always reads, so any number of runs share a connection well. Give each
//! [`SshClient::exec`] and each [`SshClient::sftp`] that moves much data a connection of its own; then reading slowly
//! holds back exactly the process that writes, whatever the server is.
//!
//! ```no_run
//! use sandbox_tunnel::{Auth, ExecRequest, Exit, HostKey, SshClient, SshConfig};
//!
//! # async fn example(host_key: sandbox_tunnel::PublicKey) -> Result<(), Box<dyn std::error::Error>> {
//! let stream = tokio::net::TcpStream::connect("127.0.0.1:2222").await?;
//! let config = SshConfig::new("sandbox", Auth::None, HostKey::Pinned(host_key));
//! let client = SshClient::connect(stream, &config).await?;
//! let output = client.run(ExecRequest::command("echo hello")).await?;
//! assert_eq!(output.exit, Exit::Code(0));
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok(())
//! # }
//! ```

mod channel;
mod client;
mod config;
#[cfg(feature = "connect")]
mod connect;
mod ending;
mod error;
mod exec;
#[cfg(unix)]
mod key_agent;
pub mod keys;
mod known_hosts;
mod run;
mod sftp;
mod tcp;
mod transfer;
pub mod transport;
mod unread;

pub use client::SshClient;
pub use config::{Auth, HostKey, Keepalive, SshConfig, Timeouts};
#[cfg(feature = "connect")]
pub use connect::{Proxies, Refusal, Tls, Tunnel, TunnelConfig, TunnelTimeouts};
pub use error::{Error, ErrorKind, Phase};
pub use exec::{Exec, ExecEvent, ExecInput, ExecOutputStream, ExecRequest, Exit, Signal, TerminalSize};
pub use keys::{PrivateKey, PublicKey};
pub use known_hosts::KnownHosts;
pub use run::ExecOutput;
pub use sftp::{Create, DirEntry, FileKind, Metadata, Sftp, SftpFile};
pub use tcp::TcpChannel;
pub use transfer::{TransferOptions, TransferProgress, Transferred};
pub use unread::{HOLD, RESUME};

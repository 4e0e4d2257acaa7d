//! Self-hosted server of the Sandbox API.
//!
//! [`Server::start`] runs the whole API in this process: HTTP in front, sandboxes on this machine behind. There are
//! three layers, each knowing only the one below: `http` translates, `service` decides, [`backend`] acts.
//!
//! A sandbox is made by running a program again with a hidden argument, so a program that hosts a server starts with
//! `sandbox_agent::run_if_asked()`:
//!
//! ```no_run
//! use sandbox_server::{Server, ServerConfig, Tokens};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     sandbox_agent::run_if_asked();
//!     let tokens = Tokens::from_file("tokens")?;
//!     tokio::runtime::Runtime::new()?.block_on(async {
//!         let server = Server::start(ServerConfig::new(tokens, "state")).await?;
//!         std::future::pending::<()>().await;
//!         server.shutdown().await;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! The API is plain HTTP unless the server is given a [certificate](ServerConfig::tls): whoever listens beyond the
//! loopback interface gives it one, or puts a TLS proxy in front.

pub mod backend;
mod config;
mod descriptors;
mod http;
mod id_locks;
mod rate_limit;
mod server;
mod service;
mod tls;
mod tokens;

pub use crate::backend::embedded::{ImageStore, Lifetime};
pub use crate::backend::{Capabilities, Limits, Missing};
pub use crate::config::ServerConfig;
pub use crate::server::{Error, Server};
pub use crate::tls::{TlsError, TlsIdentity};
pub use sandbox_images::{PullPolicy, RegistryConfig};

pub use crate::tokens::{GeneratedToken, Tokens, TokensError};

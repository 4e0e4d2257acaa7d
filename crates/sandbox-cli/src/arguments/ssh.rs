//! What goes over SSH.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::Args;

use super::{Connection, key_value};
use crate::session_ref::SessionRef;

#[derive(Debug, Args)]
pub(crate) struct Ssh {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) session: SessionRef,
    /// One argument is a line for the shell; several are a program and its arguments, which reach it as they are
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
    /// Give the command a terminal; a shell has one where this command has
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Environment variable for the command; can be given again
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) env: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) login: Login,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// How a session that has a key is opened.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// File with the private key of a session that was made with a public one; those of the SSH agent are tried without
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) session: SessionRef,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct SshConfig {
    /// The session; all of them without it
    #[arg(value_name = "ID")]
    pub(crate) session: Option<SessionRef>,
    /// File with the private key of sessions that were made with a public one
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Forward {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) session: SessionRef,
    // Not a comment for rustdoc, which would take the brackets for links.
    #[arg(
        value_name = "LOCAL:REMOTE",
        required = true,
        help = "[[ADDRESS:]LOCAL:]REMOTE: a port of this machine (a free one without it) and the port of the session \
            it leads to"
    )]
    pub(crate) ports: Vec<Ports>,
    #[command(flatten)]
    pub(crate) login: Login,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// A port of this machine, and one of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) local: SocketAddr,
    pub(crate) remote: u16,
}

impl FromStr for Ports {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local, remote) = text.rsplit_once(':').unwrap_or(("0", text));
        let remote = match remote.parse() {
            Ok(0) => bail!("a session has no port 0"),
            Ok(port) => port,
            Err(_) => bail!("{remote:?} is no port"),
        };
        let local = match local.parse::<SocketAddr>() {
            Ok(address) => address,
            Err(_) => {
                let port = local
                    .parse()
                    .with_context(|| format!("{local:?} is no port of this machine"))?;
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
            }
        };
        Ok(Self { local, remote })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        for (text, local, remote) in [
            ("80", "127.0.0.1:0", 80),
            ("8080:80", "127.0.0.1:8080", 80),
            ("0.0.0.0:8080:80", "0.0.0.0:8080", 80),
            ("[::1]:8080:80", "[::1]:8080", 80),
        ] {
            let local = local.parse().unwrap();
            assert_eq!(text.parse::<Ports>().unwrap(), Ports { local, remote }, "{text}");
        }
        for text in [
            "",
            ":",
            "0",
            "8080:0",
            "8080:",
            ":80",
            "65536",
            "a:80",
            "80:a",
            "localhost:8080:80",
            "-1",
        ] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}

//! What makes, shows and ends sessions.

use std::path::PathBuf;

use clap::Args;

use super::{Connection, key_value};
use crate::session_ref::SessionRef;

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Image of the session; the server's default without it
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// How long the session may live, in seconds (60 to 28800)
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) ttl: u64,
    /// Something to remember with the session; can be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) metadata: Vec<(String, String)>,
    /// File with the OpenSSH public key that may log in
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_public_key: Option<PathBuf>,
    /// Print the session as JSON instead of its id
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Most sessions to list (1 to 100)
    #[arg(long, default_value_t = 50, conflicts_with = "watch")]
    pub(crate) limit: u32,
    /// Sessions to pass over
    #[arg(long, default_value_t = 0, conflicts_with = "watch")]
    pub(crate) offset: u32,
    /// Go on until interrupted: redraw the list on a terminal, print each change as a line elsewhere
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Seconds between two looks of --watch (1 to 3600)
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 2,
        requires = "watch",
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub(crate) interval: u64,
    /// Print the page as JSON; with --watch, each change as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// One session, for the commands that need no more.
#[derive(Debug, Args)]
pub(crate) struct OneSession {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) session: SessionRef,
    /// Print the session as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The sessions
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) sessions: Vec<SessionRef>,
    /// Delete all sessions there are; asks first
    #[arg(long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print what was deleted and what was not as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

//! What runs something.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use sandbox_sessions::Language as CodeLanguage;

use super::{Connection, key_value};
use crate::session_ref::SessionRef;

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) code: CodeSource,
    /// Image of the session; the server's default without it
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// How long the session may live, in seconds (60 to 28800); a minute more than the time-out without it
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ttl: Option<u64>,
    #[command(flatten)]
    pub(crate) execution: Execution,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Code {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) session: SessionRef,
    #[command(flatten)]
    pub(crate) code: CodeSource,
    #[command(flatten)]
    pub(crate) execution: Execution,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("attached").args(["interactive", "tty"]).multiple(true))]
pub(crate) struct Exec {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) session: SessionRef,
    /// One argument is a line for the shell; several are a program and its arguments, which reach it as they are
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<String>,
    /// Send standard input to the command
    #[arg(short, long, conflicts_with_all = ["timeout", "json"])]
    pub(crate) interactive: bool,
    /// Give the command a terminal, where this command has one
    #[arg(short, long, conflicts_with_all = ["timeout", "json"])]
    pub(crate) tty: bool,
    /// File with the private key of a session that was made with a public one, for --interactive and --tty; those of
    /// the SSH agent are tried without
    #[arg(long, value_name = "FILE", requires = "attached")]
    pub(crate) identity: Option<PathBuf>,
    /// Environment variable for the command; can be given again
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(crate) env: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) execution: Execution,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// How long something may run and how its result is told.
#[derive(Debug, Args)]
pub(crate) struct Execution {
    /// How long it may run, in seconds (1 to 300)
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
    /// Print the result as one JSON object instead of what was printed in the session
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where code is, and what it is written in.
#[derive(Debug, Args)]
pub(crate) struct CodeSource {
    /// A file with the code, or `-` for standard input
    #[arg(
        value_name = "FILE",
        required_unless_present = "code",
        conflicts_with = "code"
    )]
    pub(crate) file: Option<PathBuf>,
    /// The code itself
    #[arg(short, long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Language of the code; without it the file's extension decides, and Python where that says nothing
    #[arg(short, long, value_enum)]
    language: Option<Language>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Python 3
    Python,
    /// JavaScript, by Node.js
    #[value(alias = "js")]
    Javascript,
    /// Bash
    #[value(alias = "sh")]
    Bash,
}

impl Run {
    /// The ttl asked for, or one that just outlives the code, so that nothing is left long if we are killed.
    pub(crate) fn ttl(&self) -> Duration {
        const SHORTEST: u64 = 60;
        const LONGEST: u64 = 28_800;
        let outlives = self.execution.timeout.saturating_add(SHORTEST).min(LONGEST);
        Duration::from_secs(self.ttl.unwrap_or(outlives))
    }
}

impl Execution {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

impl CodeSource {
    pub(crate) fn language(&self) -> CodeLanguage {
        let extension = || self.file.as_ref()?.extension()?.to_str();
        match (self.language, extension()) {
            (Some(Language::Python), _) => CodeLanguage::Python,
            (Some(Language::Javascript), _) | (None, Some("js" | "mjs" | "cjs")) => CodeLanguage::JavaScript,
            (Some(Language::Bash), _) | (None, Some("sh" | "bash")) => CodeLanguage::Bash,
            (None, _) => CodeLanguage::Python,
        }
    }
}

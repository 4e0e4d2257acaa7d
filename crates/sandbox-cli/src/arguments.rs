//! The command line's grammar.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sandbox_sessions::{Language as CodeLanguage, SessionId};

/// Run code in sandboxes, and host the server that makes them.
///
/// Exit codes: that of the code for `run`; 124 when it ran out of time; 2 for a command line that makes no
/// sense; 65 for a value that is refused; 66 for a session that is not there; 69 when no server answers; 75
/// when the server asks to slow down; 77 when the token is refused; 125 for any other failure; 129, 130 and
/// 143 after SIGHUP, SIGINT and SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run code in a fresh session and delete it afterwards
    Run(Run),
    /// Host the API on this machine
    Serve(Serve),
    /// Create a session and print its id
    Create(Create),
    /// List the sessions
    #[command(visible_alias = "list")]
    Ls(List),
    /// Show a session
    Get(Get),
    /// Delete sessions
    #[command(visible_alias = "delete")]
    Rm(Remove),
}

/// Where the API is. Without it `run` starts a server of its own.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Base address of the API, such as http://127.0.0.1:8080/v1 [default: that of SANDBOX_API_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) api_url: Option<String>,
    // No flag for the token, which comes from SANDBOX_API_TOKEN: every user of the machine can see arguments.
}

#[derive(Debug, Args)]
pub(crate) struct Run {
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
    pub(crate) language: Option<Language>,
    /// Image of the session; the server's default without it
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// How long the session may live, in seconds (60 to 28800); a minute more than the time-out without it
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ttl: Option<u64>,
    /// How long the code may run, in seconds (1 to 300)
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
    /// Print the result as one JSON object instead of the code's own output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Python 3
    Python,
    /// JavaScript, by Node.js
    #[value(alias = "js")]
    Javascript,
    /// Bash
    #[value(alias = "sh")]
    Bash,
}

impl From<Language> for CodeLanguage {
    fn from(language: Language) -> Self {
        match language {
            Language::Python => Self::Python,
            Language::Javascript => Self::JavaScript,
            Language::Bash => Self::Bash,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on; the API speaks plain HTTP, so put a TLS proxy before any but a loopback address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// File of accepted tokens, one `[NAME:]TOKEN` a line; without it one is made and printed
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Where sessions are kept; they outlive the server and are found again by the next one
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Accept an image name for an image of this server, such as python:3.11=host
    #[arg(long, value_name = "NAME=IMAGE", value_parser = image_alias)]
    pub(crate) image_alias: Vec<(String, String)>,
    /// Let sessions read this path of the host too
    #[arg(long, value_name = "PATH")]
    pub(crate) share: Vec<PathBuf>,
    /// Memory of a session in MiB, its files included
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<u64>,
    /// Disk of a session in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) disk: Option<u64>,
    /// Processes and threads of a session
    #[arg(long, value_name = "COUNT")]
    pub(crate) pids: Option<u32>,
    /// Processors of a session, such as 0.5
    #[arg(long, value_name = "COUNT")]
    pub(crate) cpus: Option<f64>,
}

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
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
    /// Sessions to pass over
    #[arg(long, default_value_t = 0)]
    pub(crate) offset: u32,
    /// Print the page as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The session
    #[arg(value_name = "ID")]
    pub(crate) session: SessionId,
    /// Print the session as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The sessions
    #[arg(value_name = "ID", required = true)]
    pub(crate) sessions: Vec<SessionId>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

impl Run {
    /// The ttl asked for, or one that just outlives the code, so that nothing is left long if we are killed.
    pub(crate) fn ttl(&self) -> Duration {
        const SHORTEST: u64 = 60;
        const LONGEST: u64 = 28_800;
        let outlives = self.timeout.saturating_add(SHORTEST).min(LONGEST);
        Duration::from_secs(self.ttl.unwrap_or(outlives))
    }

    pub(crate) fn language(&self) -> Language {
        let extension = || self.file.as_ref()?.extension()?.to_str();
        self.language.unwrap_or_else(|| match extension() {
            Some("js" | "mjs" | "cjs") => Language::Javascript,
            Some("sh" | "bash") => Language::Bash,
            _ => Language::Python,
        })
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn image_alias(text: &str) -> Result<(String, String), String> {
    match key_value(text) {
        Ok((name, image)) if !image.is_empty() => Ok((name, image)),
        _ => Err("expected NAME=IMAGE, such as python:3.11=host".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn run(arguments: &[&str]) -> Run {
        let arguments = ["sandbox", "run"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Run(run) => run,
            other => panic!("parsed as {other:?}"),
        }
    }

    #[test]
    fn grammar_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn language_follows_flag_then_extension_then_python() {
        assert_eq!(run(&["-c", "1"]).language(), Language::Python);
        assert_eq!(run(&["a.mjs"]).language(), Language::Javascript);
        assert_eq!(run(&["a.sh"]).language(), Language::Bash);
        assert_eq!(run(&["a.txt"]).language(), Language::Python);
        assert_eq!(run(&["-l", "bash", "a.py"]).language(), Language::Bash);
        assert_eq!(run(&["-"]).language(), Language::Python);
    }

    #[test]
    fn session_outlives_its_code() {
        assert_eq!(
            run(&["-c", "1", "--timeout", "300"]).ttl(),
            Duration::from_secs(360)
        );
        assert_eq!(run(&["-c", "1", "--ttl", "90"]).ttl(), Duration::from_secs(90));
    }

    #[test]
    fn code_and_file_exclude_each_other() {
        for arguments in [&["sandbox", "run"][..], &["sandbox", "run", "-c", "1", "a.py"]] {
            assert!(Arguments::try_parse_from(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn pairs_need_both_halves() {
        assert_eq!(key_value("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(key_value("a").is_err() && key_value("=b").is_err());
        assert!(image_alias("python:3.11=").is_err());
    }
}

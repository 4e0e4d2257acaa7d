use std::path::PathBuf;

use clap::Args;

/// Where the API is, and who asks.
///
/// There is no argument for the token itself: every user of a machine can see the arguments of a process.
#[derive(Debug, Default, Args)]
pub(crate) struct Connection {
    /// Base address of the API, such as http://127.0.0.1:8080/v1
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    pub(crate) api_url: Option<String>,
    /// File that holds the token and that nobody else may read
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with certificates in PEM form that are trusted besides those of the system
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Configuration file, instead of sandbox/config.toml in the user's configuration directory
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub(crate) config: Option<PathBuf>,
}

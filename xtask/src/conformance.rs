//! `cargo xtask conformance`: whether a server somewhere is one of this API.

use std::{env, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};

use crate::cargo::cargo;

const URL: &str = "SANDBOX_API_URL";
const TOKEN: &str = "SANDBOX_API_TOKEN";

/// Asks a server all that the document says of one, makes and deletes sessions in doing so, and prints a report. The
/// token is taken from SANDBOX_API_TOKEN where no argument gives one.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The API's address with its base path, such as `https://sandbox.example/v1`; without one a server is started
    #[arg(long)]
    url: Option<String>,
    /// The token; others on this machine can read it in the list of processes, which --token-file spares
    #[arg(long, requires = "url", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that has the token and nothing else
    #[arg(long, requires = "url", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Only trials whose name has this in it, such as an operation
    trial: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut test = cargo();
    test.args([
        "test",
        "--quiet",
        "--package=contract-tests",
        "--test=conformance",
        "--",
    ]);
    test.arg("--format=terse").args(&arguments.trial);
    // An address that the environment has was not asked for here.
    test.env_remove(URL);
    if let Some(url) = &arguments.url {
        test.env(URL, url).env(TOKEN, token(arguments)?);
    }
    let status = test.status().context("cannot run cargo")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn token(arguments: &Arguments) -> anyhow::Result<String> {
    let token = match (&arguments.token, &arguments.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(file)) => {
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
        }
        (None, None) => env::var(TOKEN).with_context(|| format!("no --token-file, and no {TOKEN}"))?,
    };
    let token = token.trim().to_owned();
    ensure!(!token.is_empty(), "the token is empty");
    Ok(token)
}

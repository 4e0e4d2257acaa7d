//! A server of this workspace, as its users start it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::succeed;
use crate::{
    cargo::{Metadata, cargo},
    ci,
};

const TOKEN: &str = "third-parties-0123456789abcdef";

/// Ends with this, and its sessions with it.
pub(super) struct Server {
    program: PathBuf,
    process: Child,
    url: String,
    /// Its state, its token, and a home of its own, so that it is nobody's server but this program's.
    home: TempDir,
}

impl Server {
    /// Starts the one that the tests were built with. `Err` says why there can be none; in CI that is a failure.
    pub(super) fn start() -> anyhow::Result<Result<Self, String>> {
        // The same command as the tests' own, so that nothing is built again.
        succeed(cargo().args(["test", "--workspace", "--no-run", "--quiet", "--locked"]))?;
        let program = Metadata::of_the_workspace()?
            .target_directory()?
            .join("debug/sandbox");
        let home = tempfile::tempdir().context("cannot make a directory")?;
        let tokens = home.path().join("tokens");
        fs::write(&tokens, TOKEN).context("cannot write the token")?;
        fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600))?;
        let mut process = Command::new(&program)
            .args([
                "serve",
                "--listen=127.0.0.1:0",
                "--image-alias=python:3.11=host",
                "--memory=128",
            ])
            .args([
                "--rate-limit=4294967295",
                "--max-sessions=5000",
                "--max-sessions-per-owner=5000",
            ])
            .arg("--token-file")
            .arg(&tokens)
            .arg("--state-dir")
            .arg(home.path().join("state"))
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut line = String::new();
        let output = process.stdout.take().context("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let url = line
            .trim_end()
            .trim_start_matches("export SANDBOX_API_URL=")
            .to_owned();
        let server = Self {
            program,
            process,
            url,
            home,
        };
        if server.url.is_empty() {
            ensure!(!ci::is_here(), "the server does not start");
            return Ok(Err("this host cannot make sandboxes".to_owned()));
        }
        Ok(Ok(server))
    }

    /// They would outlive it.
    fn delete_sessions(&self) {
        let deleted = succeed(
            Command::new(&self.program)
                .args(["rm", "--all", "--yes", "--api-url", &self.url, "--token-file"])
                .arg(self.home.path().join("tokens"))
                .env("HOME", self.home.path())
                .stdout(Stdio::null()),
        );
        if let Err(error) = deleted {
            println!("{error}");
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn token(&self) -> &str {
        TOKEN
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.url.is_empty() {
            self.delete_sessions();
        }
        // And what they were in is removed when it ends in good order.
        let _ = succeed(Command::new("kill").arg(self.process.id().to_string()));
        let _ = self.process.wait();
    }
}

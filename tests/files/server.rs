//! A server in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitCode, Stdio};

use sandbox_server::{Lifetime, Limits, Server, ServerConfig, Tokens};
use sandbox_sessions::SessionsClient;

use crate::role::Role;

pub(crate) const TOKEN: &str = "files-test-0123456789abcdef0123456789abcdef";

/// Twice the large file, and something for the processes.
const SPACE: u64 = 3 << 30;

pub(crate) struct ServerProcess {
    process: Child,
    pub(crate) url: String,
}

impl ServerProcess {
    /// # Errors
    /// When the host cannot make sandboxes at all: the server's own words.
    pub(crate) fn start() -> Result<Self, String> {
        let mut process = Role::Server
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says something");
        match line.trim_end().strip_prefix("url ") {
            Some(url) => Ok(Self {
                url: url.to_owned(),
                process,
            }),
            None => {
                process.wait().expect("it ends");
                Err(line)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn client(&self) -> SessionsClient {
        client(&self.url)
    }

    pub(crate) fn stop(mut self) {
        drop(self.process.stdin.take());
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "the server: {status}");
    }
}

pub(crate) fn client(url: &str) -> SessionsClient {
    SessionsClient::new(url, TOKEN).expect("the server's own address")
}

/// Serves until standard input ends, also because whoever holds its other end was killed.
pub(crate) fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let state = tempfile::tempdir().expect("a directory");
    let tokens = Tokens::from_lines(TOKEN).expect("the token is valid");
    let config = ServerConfig::new(tokens, state.path())
        .lifetime(Lifetime::Ephemeral)
        .limits(Limits {
            memory_bytes: SPACE,
            disk_bytes: SPACE,
            ..Limits::default()
        });
    let server = match runtime.block_on(Server::start(config)) {
        Ok(server) => server,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("url {}", server.url());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.block_on(server.shutdown());
    ExitCode::SUCCESS
}

//! A server in a process of its own.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox_server::{Lifetime, Limits, Server, ServerConfig, Tokens};
use sandbox_sessions::{Session, SessionsClient};
use tokio::runtime::Runtime;

use crate::agent::Agent;
use crate::process::Process;
use crate::role::{Player, say, wait_for_nod};

/// Room for two hundred programs, each of which takes two processes where a host has no control groups.
pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: 512 << 20,
    disk_bytes: 128 << 20,
    pids: 1024,
    cpu_millis: 2000,
    open_files: 1024,
};

pub(crate) fn config(tokens: Tokens, state: &Path) -> ServerConfig {
    ServerConfig::new(tokens, state)
        .lifetime(Lifetime::Ephemeral)
        .limits(LIMITS)
        .rate_limit(NonZeroU32::MAX)
}

pub(crate) struct ServerProcess {
    player: Player,
    pub(crate) url: String,
    state: tempfile::TempDir,
}

pub(crate) const TOKEN: &str = "the-token-of-a-server-of-its-own-0123456789";

impl ServerProcess {
    pub(crate) fn start() -> Self {
        let state = tempfile::tempdir().expect("a directory");
        let mut player = Player::start("server", &[state.path().to_str().expect("text")]);
        let url = player.hear();
        assert!(url.starts_with("http://"), "{url}");
        Self { player, url, state }
    }

    pub(crate) fn process(&self) -> Process {
        self.player.process()
    }

    pub(crate) fn client(&self) -> SessionsClient {
        SessionsClient::new(&self.url, TOKEN).expect("the server's own address")
    }

    pub(crate) fn agent(&self, session: &Session) -> Agent {
        Agent::of(self.state.path(), session.id())
    }

    pub(crate) fn stop(self) {
        self.player.finish();
    }
}

/// The role: serves until nobody is there who could ask for anything.
pub(crate) fn serve(arguments: &[&str]) -> ExitCode {
    let state = PathBuf::from(arguments.first().expect("a directory"));
    let runtime = Runtime::new().expect("a runtime");
    let config = config(Tokens::from_lines(TOKEN).expect("a token"), &state);
    let server = match runtime.block_on(Server::start(config)) {
        Ok(server) => server,
        Err(error) => {
            say(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    say(server.url());
    while wait_for_nod() {}
    runtime.block_on(server.shutdown());
    ExitCode::SUCCESS
}

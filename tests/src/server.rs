//! A server in a process of its own, so that it can be measured, and killed.

use std::path::Path;
use std::process::ExitCode;

use sandbox_api_contract::Tap;
use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::SessionsClient;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Process;
use crate::role::{Player, say, wait_for_nod};

/// This program in a role that is [`serve`]. Dropping it kills it. It is reached through a tap of this process, which
/// holds what is said against the API's document.
pub struct ServerProcess {
    player: Player,
    tap: Tap,
    url: String,
    direct_url: String,
    state: TempDir,
}

impl ServerProcess {
    /// The token that it knows.
    pub const TOKEN: &str = "the-token-of-a-server-of-its-own-0123456789";

    /// # Errors
    /// When the host cannot make sandboxes at all: the server's own words.
    ///
    /// # Panics
    /// When it ends without any: a server that fails like that is no reason to skip a test.
    pub fn start(role: &str) -> Result<Self, String> {
        Self::start_on(role, tempfile::tempdir().expect("a directory"))
    }

    /// Starts it on what an earlier one has left.
    ///
    /// # Errors
    /// When it cannot serve: its own words.
    pub fn start_on(role: &str, state: TempDir) -> Result<Self, String> {
        let mut player = Player::start(role, &[state.path().to_str().expect("text")]);
        let said = player.hear();
        assert!(!said.is_empty(), "the server ended without a word");
        match said.strip_prefix("url ") {
            Some(url) => {
                let tap = Tap::before(url).expect("a tap");
                Ok(Self {
                    player,
                    url: tap.url(),
                    direct_url: url.to_owned(),
                    tap,
                    state,
                })
            }
            None => Err(said),
        }
    }

    /// The API's base address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The API's base address past the tap, for trials that are about the connections themselves.
    pub fn direct_url(&self) -> &str {
        &self.direct_url
    }

    /// Its process.
    pub fn process(&self) -> Process {
        self.player.process()
    }

    /// Where it keeps what it knows of its sessions.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// A client of it.
    pub fn client(&self) -> SessionsClient {
        SessionsClient::new(&self.url, Self::TOKEN).expect("the server's own address")
    }

    /// Kills it, and answers what it leaves.
    ///
    /// # Panics
    /// When the server or the SDK has broken the contract.
    pub fn kill(self) -> TempDir {
        self.player.kill();
        self.tap.assert_kept();
        self.state
    }

    /// Lets it end, and its sessions with it unless they outlive it.
    ///
    /// # Panics
    /// When the server or the SDK has broken the contract.
    pub fn stop(self) {
        self.player.finish();
        self.tap.assert_kept();
    }
}

/// The role: serves until nobody is there who could ask for anything.
pub fn serve(arguments: &[&str], configured: impl FnOnce(ServerConfig) -> ServerConfig) -> ExitCode {
    let state = arguments.first().expect("a directory");
    let runtime = Runtime::new().expect("a runtime");
    let tokens = Tokens::from_lines(ServerProcess::TOKEN).expect("a token");
    let config = ServerConfig::new(tokens, state).lifetime(Lifetime::Ephemeral);
    let server = match runtime.block_on(Server::start(configured(config))) {
        Ok(server) => server,
        Err(error) => {
            say(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever starts this puts a tap in front"
    )]
    say(&format!("url {}", server.url()));
    while wait_for_nod() {}
    runtime.block_on(server.shutdown());
    ExitCode::SUCCESS
}

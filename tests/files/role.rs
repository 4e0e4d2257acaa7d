//! What this program is when it has started itself.

use std::process::Command;

const VARIABLE: &str = "FILES_TEST_ROLE";

#[derive(Clone, Copy)]
pub(crate) enum Role {
    Server,
    Client,
}

impl Role {
    pub(crate) fn of_this_process() -> Option<Self> {
        match std::env::var(VARIABLE).ok()?.as_str() {
            "server" => Some(Self::Server),
            "client" => Some(Self::Client),
            other => panic!("{VARIABLE} is {other:?}"),
        }
    }

    /// This program, in that role.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command.env(
            VARIABLE,
            match self {
                Self::Server => "server",
                Self::Client => "client",
            },
        );
        command
    }
}

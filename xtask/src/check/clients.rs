//! Programs that the tests use as clients of the server, or that bring them.

use std::process::Command;

use anyhow::bail;

use super::{Outcome, Settings, succeed, succeeds};
use crate::ci;

/// A program or a library, how it is looked for, and the package of Debian and its descendants that has it.
struct Client {
    name: &'static str,
    check: &'static [&'static [&'static str]],
    package: &'static str,
}

const CLIENTS: [Client; 7] = [
    Client {
        name: "OpenSSH client",
        check: &[&["ssh", "-V"]],
        package: "openssh-client",
    },
    Client {
        name: "rsync",
        check: &[&["rsync", "--version"]],
        package: "rsync",
    },
    Client {
        name: "paramiko for Python",
        // That of the system may have it where another one comes first.
        check: &[
            &["python3", "-c", "import paramiko"],
            &["/usr/bin/python3", "-c", "import paramiko"],
        ],
        package: "python3-paramiko",
    },
    Client {
        name: "umoci",
        check: &[&["umoci", "--version"]],
        package: "umoci",
    },
    Client {
        name: "newuidmap",
        check: &[&["sh", "-c", "command -v newuidmap"]],
        package: "uidmap",
    },
    Client {
        name: "venv for Python",
        check: &[&["python3", "-c", "import ensurepip, venv"]],
        package: "python3-venv",
    },
    Client {
        name: "C++ compiler",
        check: &[&["c++", "--version"]],
        package: "g++",
    },
];

impl Client {
    fn is_there(&self) -> bool {
        self.check.iter().any(|words| {
            words
                .split_first()
                .is_some_and(|(program, arguments)| succeeds(Command::new(program).args(arguments)))
        })
    }
}

/// Sees to it that they are there. In CI they are installed, and have to be there: the tests of what is missing would be
/// skipped, which nobody notices.
pub(super) fn provide(settings: &Settings) -> anyhow::Result<Outcome> {
    if !missing().is_empty() && (settings.install || ci::is_here()) {
        install(&missing());
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(Outcome::Passed);
    }
    let names: Vec<_> = missing.iter().map(|client| client.name).collect();
    let packages: Vec<_> = missing.iter().map(|client| client.package).collect();
    let reason = format!(
        "there is no {}; `apt-get install {}`, as root, brings it",
        names.join(", no "),
        packages.join(" ")
    );
    if ci::is_here() {
        bail!(reason);
    }
    Ok(Outcome::Skipped(reason))
}

fn missing() -> Vec<&'static Client> {
    CLIENTS.iter().filter(|client| !client.is_there()).collect()
}

/// What comes of it is seen by looking again.
fn install(clients: &[&Client]) {
    let packages = clients.iter().map(|client| client.package);
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--yes");
        command
    };
    let installed = succeed(apt_get().arg("update")).and_then(|()| {
        succeed(
            apt_get()
                .args(["install", "--no-install-recommends"])
                .args(packages),
        )
    });
    if let Err(error) = installed {
        println!("{error}");
    }
}

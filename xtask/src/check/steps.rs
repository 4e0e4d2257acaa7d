//! The steps, in the order in which they are done.

use std::{env, process::Command};

use anyhow::Context;

use super::{
    Outcome, Settings, Step, clients, coverage, features, fuzz, provided, rust_version, schemathesis,
    succeed, succeeds, targets,
};
use crate::{cargo::cargo, ci, third_parties::ThirdParties, workspace};

pub(super) const STEPS: [Step; 20] = [
    Step {
        name: "format",
        about: "all code is formatted",
        run: |_| cargo_passes(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "clients",
        about: "the programs are there that tests use as clients",
        run: clients::provide,
    },
    Step {
        name: "third-parties",
        about: "the programs are there that judge the document and the server",
        run: third_parties,
    },
    Step {
        name: "codegen",
        about: "the generated code is what the document gives",
        run: |_| task_passes(&["codegen", "--check"]),
    },
    Step {
        name: "spec-lint",
        about: "the document is in good form, as two linters have it",
        run: |_| task_passes(&["lint-spec"]),
    },
    Step {
        name: "spec-diff",
        about: "the document breaks nobody who has the last release's",
        run: |_| task_passes(&["spec-diff"]),
    },
    Step {
        name: "rust-version",
        about: "no dependency needs a newer Rust than this workspace",
        run: |_| rust_version::of_dependencies(),
    },
    Step {
        name: "deny",
        about: "licences, bans and sources of dependencies",
        run: deny,
    },
    Step {
        name: "clippy",
        about: "no lint has anything to say",
        run: |_| {
            cargo_passes(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--locked",
                "--",
                "--deny=warnings",
            ])
        },
    },
    Step {
        name: "docs",
        about: "the documentation has no broken links",
        run: |_| {
            let mut doc = cargo();
            doc.args(["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
            succeed(doc.env("RUSTDOCFLAGS", "--deny=warnings"))?;
            Ok(Outcome::Passed)
        },
    },
    Step {
        name: "public-api",
        about: "what the libraries offer is what their listings say",
        run: |_| task_passes(&["public-api", "--check"]),
    },
    Step {
        name: "features",
        about: "the SDK alone, without features, with each and with all",
        run: |_| features::each_alone(),
    },
    Step {
        name: "tests",
        about: "all tests, as this user",
        run: |_| coverage::run_tests(),
    },
    Step {
        name: "coverage",
        about: "every documented response was seen by the tests, or is known not to be",
        run: |_| coverage::check(),
    },
    Step {
        name: "schemathesis",
        about: "the server does what the document says, as schemathesis has it",
        run: |_| schemathesis::check(),
    },
    Step {
        name: "fuzz",
        about: "the fuzzers find nothing in a short while",
        run: |_| fuzz::run(),
    },
    Step {
        name: "tests-of-features",
        about: "the tests of what has features, with all of them",
        run: |_| features::tests(),
    },
    Step {
        name: "as-ordinary-user",
        about: "tests that make sandboxes, as another user",
        run: as_ordinary_user,
    },
    Step {
        name: "oldest-rust",
        about: "everything compiles with the oldest Rust it is for",
        run: rust_version::with_the_oldest,
    },
    Step {
        name: "targets",
        about: "the client's libraries compile for other systems",
        run: targets::check,
    },
];

fn cargo_passes(arguments: &[&str]) -> anyhow::Result<Outcome> {
    succeed(cargo().args(arguments))?;
    Ok(Outcome::Passed)
}

/// Another task of this program.
fn task_passes(arguments: &[&str]) -> anyhow::Result<Outcome> {
    let program = env::current_exe().context("cannot find this program")?;
    succeed(
        Command::new(program)
            .args(arguments)
            .current_dir(workspace::root()),
    )?;
    Ok(Outcome::Passed)
}

fn third_parties(settings: &Settings) -> anyhow::Result<Outcome> {
    if settings.install || ci::is_here() {
        ThirdParties::install()?;
    }
    Ok(ThirdParties::found()?.map_or_else(Outcome::Skipped, |_| Outcome::Passed))
}

/// Without advisories: they come from a database that changes without a change here.
fn deny(settings: &Settings) -> anyhow::Result<Outcome> {
    let exists = || succeeds(cargo().args(["deny", "--version"]));
    if !provided(
        settings,
        exists,
        cargo().args(["install", "--locked", "cargo-deny"]),
    ) {
        return Ok(Outcome::Skipped(
            "there is no cargo-deny; `cargo install --locked cargo-deny` brings it".to_owned(),
        ));
    }
    cargo_passes(&["deny", "--all-features", "check", "bans", "licenses", "sources"])
}

pub(super) fn is_root() -> anyhow::Result<bool> {
    let user = Command::new("id").arg("-u").output().context("cannot run id")?;
    Ok(user.stdout.trim_ascii() == b"0")
}

fn as_ordinary_user(_: &Settings) -> anyhow::Result<Outcome> {
    if !is_root()? {
        return Ok(Outcome::Skipped(
            "the tests have run as an ordinary user already; only root can be another".to_owned(),
        ));
    }
    succeed(&mut Command::new(workspace::root().join(".ci/as-ordinary-user")))?;
    Ok(Outcome::Passed)
}

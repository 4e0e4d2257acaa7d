//! The server, asked by schemathesis whether it does what the document says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::{Outcome, server::Server, succeed};
use crate::{
    third_parties::{PINS, ThirdParties},
    workspace,
};

/// Fixed, so that a failure is there again when somebody looks for it; two, since each of them sees other values.
const SEEDS: [&str; 2] = ["1", "20260101"];

/// How many requests of each kind an operation gets in each phase: enough for half a minute with each seed.
const EXAMPLES: &str = "30";

/// What the document would promise, were it wrong, and how schemathesis calls a server that does not keep it.
struct Fault {
    operation: &'static str,
    document: &'static str,
    wrong: &'static str,
    code: &'static str,
}

const FAULTS: [Fault; 5] = [
    Fault {
        operation: "createSession",
        document: "X-Request-Id: { $ref",
        wrong: "X-Never-Sent: { $ref",
        code: "ST107",
    },
    Fault {
        operation: "createSession",
        document: "required: [sessionId, status,",
        wrong: "required: [sessionId, neverSent, status,",
        code: "ST108",
    },
    Fault {
        operation: "createSession",
        document: "maximum: 28800",
        wrong: "maximum: 28801",
        code: "ST202",
    },
    Fault {
        operation: "listSessions",
        document: "maximum: 100\n",
        wrong: "maximum: 99\n",
        code: "ST201",
    },
    Fault {
        operation: "getSession",
        document: "'404': { $ref: '#/components/responses/SessionNotFound' }",
        wrong: "'410': { $ref: '#/components/responses/SessionNotFound' }",
        code: "ST103",
    },
];

pub(super) fn check() -> anyhow::Result<Outcome> {
    let programs = match ThirdParties::found()? {
        Ok(programs) => programs,
        Err(reason) => return Ok(Outcome::Skipped(reason)),
    };
    let server = match Server::start()? {
        Ok(server) => server,
        Err(reason) => return Ok(Outcome::Skipped(reason)),
    };
    let document = workspace::root().join(workspace::DOCUMENT);
    for seed in SEEDS {
        let mut run = run(&programs, &server, &document, seed);
        run.args([
            "--phases=examples,coverage,fuzzing,stateful",
            "--max-examples",
            EXAMPLES,
        ]);
        succeed(&mut run)?;
    }
    let text = fs::read_to_string(&document).context("cannot read the document")?;
    let scratch = tempfile::tempdir()?;
    for fault in &FAULTS {
        let faulty = fault.seed(&text, scratch.path())?;
        fault.is_found(run(&programs, &server, &faulty, SEEDS[0]))?;
    }
    Ok(Outcome::Passed)
}

fn run(programs: &ThirdParties, server: &Server, document: &Path, seed: &str) -> Command {
    let mut run = programs.schemathesis();
    run.arg("--config-file")
        .arg(Path::new(PINS).join("schemathesis.toml"))
        .arg("run")
        .arg(document)
        .args(["--no-color", "--url", server.url(), "--seed", seed])
        .env("SANDBOX_API_TOKEN", server.token());
    run
}

impl Fault {
    /// The document with this fault, in a file of its own.
    fn seed(&self, document: &str, folder: &Path) -> anyhow::Result<PathBuf> {
        let faulty = document.replacen(self.document, self.wrong, 1);
        ensure!(
            faulty != document,
            "the document has no {:?} to be wrong about",
            self.document
        );
        let path = folder.join(format!("{}.yaml", self.code));
        fs::write(&path, faulty).context("cannot write a faulty document")?;
        Ok(path)
    }

    fn is_found(&self, mut run: Command) -> anyhow::Result<()> {
        let run = run.args(["--phases=coverage", "--include-operation-id", self.operation]);
        let output = run
            .stdin(Stdio::null())
            .output()
            .context("cannot run schemathesis")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            !output.status.success() && said.contains(self.code),
            "schemathesis does not see that {} would be wrong with {:?}:\n{said}",
            self.operation,
            self.wrong
        );
        println!("{} is found where {:?} is seeded", self.code, self.wrong);
        Ok(())
    }
}

//! `cargo xtask lint-spec`: the OpenAPI document's form, judged by the two usual linters.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, bail, ensure};

use crate::{third_parties::ThirdParties, workspace};

struct Linter {
    program: &'static str,
    arguments: &'static [&'static str],
}

/// Their rules are in `.spectral.yaml` and `redocly.yaml`.
const LINTERS: [Linter; 2] = [
    Linter {
        program: "spectral",
        arguments: &["lint", "--fail-severity=hint", "--ruleset=.spectral.yaml"],
    },
    Linter {
        program: "redocly",
        arguments: &["lint", "--config=redocly.yaml"],
    },
];

/// A fault that both have a rule against.
const FAULT: (&str, &str) = (
    "operationId: getSession\n      summary",
    "operationId: listSessions\n      summary",
);
const RULE: &str = "operation-operationId-unique";

pub(crate) fn run() -> anyhow::Result<()> {
    let programs = match ThirdParties::found()? {
        Ok(programs) => programs,
        Err(reason) => {
            println!("skipped: {reason}");
            return Ok(());
        }
    };
    let document = workspace::root().join(workspace::DOCUMENT);
    let scratch = tempfile::tempdir().context("cannot make a directory")?;
    let faulty = scratch.path().join("faulty.yaml");
    fs::write(&faulty, with_a_fault(&document)?).context("cannot write a faulty document")?;
    for linter in &LINTERS {
        let output = linter.judge(&programs, &document)?;
        let said = text(&output);
        print!("{said}");
        ensure!(
            output.status.success(),
            "{} is not content with {}",
            linter.program,
            workspace::DOCUMENT
        );
        let output = linter.judge(&programs, &faulty)?;
        if output.status.success() || !text(&output).contains(RULE) {
            bail!("{} does not see {RULE}:\n{}", linter.program, text(&output));
        }
        println!("{} finds {RULE} where it is seeded", linter.program);
    }
    Ok(())
}

impl Linter {
    fn judge(&self, programs: &ThirdParties, document: &Path) -> anyhow::Result<Output> {
        let mut command: Command = programs.npm_program(self.program)?;
        command.args(self.arguments).arg(document);
        command
            .output()
            .with_context(|| format!("cannot run {}", self.program))
    }
}

/// The document, but two of its operations have the same name.
fn with_a_fault(document: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(document).context("cannot read the document")?;
    let faulty = text.replacen(FAULT.0, FAULT.1, 1);
    ensure!(
        faulty != text,
        "the document has no place for the fault that is seeded"
    );
    Ok(faulty)
}

fn text(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

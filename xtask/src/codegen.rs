//! `cargo xtask codegen`: the committed code of `sandbox-api` and `sandbox-api-mock`.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use sandbox_api_codegen::{generate, generate_mock};

use crate::{difference, workspace};

/// The committed files, and what writes each of them.
const GENERATED: [(&str, Generate); 2] = [
    ("crates/sandbox-api/src/generated.rs", generate),
    ("crates/sandbox-api-mock/src/generated.rs", generate_mock),
];

type Generate = fn(&str) -> Result<String, sandbox_api_codegen::Error>;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing, and fail if the committed code is not what would be written
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = workspace::root();
    let document = fs::read_to_string(root.join(workspace::DOCUMENT))
        .with_context(|| format!("cannot read {}", workspace::DOCUMENT))?;
    for (name, generate) in GENERATED {
        let code =
            generate(&document).with_context(|| format!("{} does not give {name}", workspace::DOCUMENT))?;
        if arguments.check {
            check(&root, name, &code)?;
        } else {
            workspace::write(&root.join(name), name, &code)?;
        }
    }
    Ok(())
}

fn check(root: &Path, name: &str, code: &str) -> anyhow::Result<()> {
    let committed = fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))?;
    let Some(difference) = difference::first(&committed, code) else {
        println!("{name} is up to date");
        return Ok(());
    };
    bail!("{name} is stale; run `cargo xtask codegen` and commit the result\n{difference}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_accepts_the_committed_code_and_refuses_another() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        workspace::write(&root.join("generated.rs"), "generated.rs", "one\n").unwrap();
        check(root, "generated.rs", "one\n").unwrap();
        let error = check(root, "generated.rs", "two\n").unwrap_err().to_string();
        assert!(
            error.contains("cargo xtask codegen") && error.contains("- one\n+ two"),
            "{error}"
        );
    }
}

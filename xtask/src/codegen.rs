//! `cargo xtask codegen`: the committed code of `sandbox-api` and `sandbox-api-mock`.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use sandbox_api_codegen::{generate, generate_mock};

use crate::workspace;

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
            write(&root, name, &code)?;
        }
    }
    Ok(())
}

fn check(root: &Path, name: &str, code: &str) -> anyhow::Result<()> {
    let committed = fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))?;
    let Some(difference) = first_difference(&committed, code) else {
        println!("{name} is up to date");
        return Ok(());
    };
    bail!("{name} is stale; run `cargo xtask codegen` and commit the result\n{difference}");
}

fn write(root: &Path, name: &str, code: &str) -> anyhow::Result<()> {
    let path = root.join(name);
    // A file that is rewritten is a crate that is rebuilt.
    if fs::read_to_string(&path).is_ok_and(|committed| committed == code) {
        println!("{name} is up to date");
        return Ok(());
    }
    fs::write(&path, code).with_context(|| format!("cannot write {name}"))?;
    println!("{name} is written");
    Ok(())
}

/// Describes the first line in which two texts differ, like a diff would.
fn first_difference(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (mut old_lines, mut new_lines) = (old.lines(), new.lines());
    for number in 1.. {
        let (old, new) = (old_lines.next(), new_lines.next());
        if old != new {
            let side =
                |sign, line: Option<&str>| line.map_or_else(String::new, |line| format!("\n{sign} {line}"));
            return Some(format!(
                "first difference, in line {number}:{}{}",
                side('-', old),
                side('+', new)
            ));
        }
        if old.is_none() {
            break;
        }
    }
    Some("they differ in their line ends".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_first_line_that_differs() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            first_difference("a\nb\nc\n", "a\nx\ny\n").unwrap(),
            "first difference, in line 2:\n- b\n+ x"
        );
        assert_eq!(
            first_difference("a\n", "a\nb\n").unwrap(),
            "first difference, in line 2:\n+ b"
        );
        assert_eq!(
            first_difference("a\nb", "a").unwrap(),
            "first difference, in line 2:\n- b"
        );
        assert_eq!(
            first_difference("a\r\n", "a\n").unwrap(),
            "they differ in their line ends"
        );
    }

    #[test]
    fn check_accepts_the_committed_code_and_refuses_another() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "generated.rs", "one\n").unwrap();
        check(root, "generated.rs", "one\n").unwrap();
        let error = check(root, "generated.rs", "two\n").unwrap_err().to_string();
        assert!(
            error.contains("cargo xtask codegen") && error.contains("- one\n+ two"),
            "{error}"
        );
    }
}

//! `cargo xtask public-api`: the committed listings of what the libraries offer.
//!
//! A listing makes a change of a public item show in the diff of a commit, where somebody decides whether it is meant.
//! It is read from rustdoc's JSON, whose format belongs to the toolchain: a toolchain that writes another format than
//! the one this program reads has nothing to compare, and says so.
//!
//! Derived implementations are a part of it, and so are `Send`, `Sync` and `Unpin`, on which programs rely without
//! knowing it. What the compiler says besides of every type is left out.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::{
    cargo::{Metadata, cargo},
    difference, stand_in, workspace,
};

/// The libraries that are meant for other people's programs.
const PACKAGES: [&str; 3] = ["sandbox-sessions", "sandbox-tunnel", "sandbox-api-mock"];
/// The format that the library `public-api` reads in its version here. Rust 1.95 writes it.
const FORMAT: u64 = 57;

/// Traits that the compiler implements by itself, and on which nobody builds.
const UNLISTED: [&str; 5] = [
    "core::marker::Freeze",
    "core::marker::StructuralPartialEq",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing, and fail if a committed listing is not what would be written
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    document()?;
    let documentation = Metadata::of_the_workspace()?.target_directory()?.join("doc");
    for package in PACKAGES {
        let json = documentation.join(format!("{}.json", package.replace('-', "_")));
        let format = format(&json)?;
        if format != FORMAT {
            println!(
                "skipped: this toolchain's rustdoc writes format {format}, and listings are made from format {FORMAT}"
            );
            return Ok(());
        }
        let name = format!("crates/{package}/public-api.txt");
        let listing = listing(&json)?;
        let path = workspace::root().join(&name);
        if arguments.check {
            check(&path, &name, &listing)?;
        } else {
            workspace::write(&path, &name, &listing)?;
        }
    }
    Ok(())
}

/// Has rustdoc write JSON. It does so for the whole workspace, because a package by itself is built with other features
/// of its dependencies, and so with everything that depends on them.
fn document() -> anyhow::Result<()> {
    let mut doc = cargo();
    doc.args([
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
        "--lib",
        "--all-features",
        "--locked",
    ]);
    doc.env(
        "RUSTDOCFLAGS",
        "-Zunstable-options --output-format=json --cap-lints=allow",
    );
    stand_in::for_rustdoc(&mut doc)?;
    let output = doc.output().context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "the libraries cannot be documented:\n{said}"
    );
    Ok(())
}

fn format(json: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(json).with_context(|| format!("cannot read {}", json.display()))?;
    let json: Value = serde_json::from_str(&text).context("rustdoc's JSON is no JSON")?;
    json.get("format_version")
        .and_then(Value::as_u64)
        .context("rustdoc's JSON has no format_version")
}

fn listing(json: &Path) -> anyhow::Result<String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .build()
        .context("cannot read rustdoc's JSON")?;
    let items = api
        .items()
        .map(ToString::to_string)
        .filter(|item| is_listed(item));
    Ok(items.map(|item| item + "\n").collect())
}

fn is_listed(item: &str) -> bool {
    let implemented = item.split_once(" for ").map_or("", |(head, _)| head);
    !(item.starts_with("impl") && UNLISTED.iter().any(|name| implemented.ends_with(name)))
}

fn check(path: &Path, name: &str, listing: &str) -> anyhow::Result<()> {
    let committed = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    if committed == listing {
        println!("{name} is up to date");
        return Ok(());
    }
    let changes = difference::of_lines(&committed, listing);
    bail!("{name} is stale; run `cargo xtask public-api` and commit the result if it is meant\n{changes}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_programs_rely_on() {
        for item in [
            "impl core::marker::Send for a::B",
            "impl core::clone::Clone for a::B",
            "pub fn a::B::c(&self) -> core::marker::Freeze",
        ] {
            assert!(is_listed(item), "{item}");
        }
        for item in [
            "impl core::marker::Freeze for a::B",
            "impl !core::panic::unwind_safe::UnwindSafe for a::B",
            "impl<T> core::marker::StructuralPartialEq for a::B<T>",
        ] {
            assert!(!is_listed(item), "{item}");
        }
    }

    #[test]
    fn a_stale_listing_is_shown_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("public-api.txt");
        workspace::write(&path, "public-api.txt", "pub fn a::b()\n").unwrap();
        check(&path, "public-api.txt", "pub fn a::b()\n").unwrap();
        let error = check(&path, "public-api.txt", "pub fn a::c()\n")
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("\n- pub fn a::b()\n+ pub fn a::c()\n"), "{error}");
    }
}

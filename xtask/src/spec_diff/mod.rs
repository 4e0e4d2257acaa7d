//! `cargo xtask spec-diff`: what has changed between two OpenAPI documents, and whom it breaks.
//!
//! Two questions are asked about each change. Does it break **clients**: programs made for the old document, with a
//! server made for the new one? And does it break **servers**: those made for the old document, with a client made for
//! the new one that uses nothing the old document does not have? To accept more breaks neither; to accept less breaks
//! clients; to answer what was not answered before breaks clients; and to promise more in answers breaks servers,
//! which do not keep the promise yet.
//!
//! The rules of this contract make some changes harmless that are not so in general: clients ignore properties they
//! do not know, keep values of text enumerations that they do not know, and take every error for one.

mod change;
mod document;
mod operations;
mod parameters;
mod rename;
mod responses;
mod schema;
mod security;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use serde_json::json;

use self::{
    change::{Change, Changes},
    document::Document,
};
use crate::workspace;

/// The document of the last release, seen from the root.
const BASELINE: &str = "crates/sandbox-api/baseline/sandbox-api-spec.yaml";

/// How `spec-diff` ends when a change is breaking. 1 is a failure, and 2 a wrong use.
const BREAKING: u8 = 3;

#[derive(clap::Args)]
#[command(after_help = "\
Ends with 0 if nothing is breaking, with 3 if something is, with 1 if a document cannot be read.
Raising the major version of the document allows every change.")]
pub(crate) struct Arguments {
    /// The document before [default: that of the last release]
    old: Option<PathBuf>,
    /// The document after [default: sandbox-api-spec.yaml]
    new: Option<PathBuf>,
    /// End with 0 also if something is breaking
    #[arg(long)]
    allow_breaking: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is different, and whether it may be.
struct Difference {
    changes: Vec<Change>,
    /// From which version of the document to which.
    versions: (String, String),
}

impl Difference {
    fn between(old: &Document, new: &Document) -> Self {
        let Changes(mut changes) = operations::compare(old, new);
        changes.sort_by(|a, b| (!a.is_breaking(), &a.at, &a.what).cmp(&(!b.is_breaking(), &b.at, &b.what)));
        Self {
            changes,
            versions: (old.version().to_owned(), new.version().to_owned()),
        }
    }

    fn breaking(&self) -> usize {
        self.changes.iter().filter(|change| change.is_breaking()).count()
    }

    /// Whether something breaks that the version does not allow to break.
    fn is_forbidden(&self) -> bool {
        self.breaking() > 0 && !self.is_major()
    }

    fn is_major(&self) -> bool {
        let major = |version: &str| version.split('.').next()?.parse::<u64>().ok();
        let (old, new) = &self.versions;
        major(old) < major(new)
    }

    fn print(&self) {
        for change in &self.changes {
            println!("{change}");
        }
        let (old, new) = &self.versions;
        let allowed = if self.breaking() > 0 && self.is_major() {
            "; the major version is raised, which allows them"
        } else {
            ""
        };
        println!(
            "{old} to {new}: changes: {}, breaking: {}{allowed}",
            self.changes.len(),
            self.breaking()
        );
    }

    fn print_json(&self) {
        let changes: Vec<_> = self.changes.iter().map(Change::to_json).collect();
        let (old, new) = &self.versions;
        let report = json!({
            "old": old, "new": new, "breaking": self.breaking(), "forbidden": self.is_forbidden(), "changes": changes,
        });
        println!("{report:#}");
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let root = workspace::root();
    let old = arguments.old.clone().unwrap_or_else(|| root.join(BASELINE));
    let new = arguments
        .new
        .clone()
        .unwrap_or_else(|| root.join(workspace::DOCUMENT));
    let difference = Difference::between(&read(&old)?, &read(&new)?);
    if arguments.json {
        difference.print_json();
    } else {
        difference.print();
    }
    let forbidden = difference.is_forbidden() && !arguments.allow_breaking;
    Ok(ExitCode::from(if forbidden { BREAKING } else { 0 }))
}

fn read(path: &Path) -> anyhow::Result<Document> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Document::parse(&text).with_context(|| format!("cannot compare {}", path.display()))
}

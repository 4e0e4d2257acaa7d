//! Where things are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The OpenAPI document, seen from the root.
pub(crate) const DOCUMENT: &str = "sandbox-api-spec.yaml";

/// The root of the repository this program was built in.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Writes a committed file, called `name`, if it is not as it should be already.
pub(crate) fn write(path: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    // A source file that is rewritten is a crate that is rebuilt.
    if fs::read_to_string(path).is_ok_and(|committed| committed == text) {
        println!("{name} is up to date");
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("cannot write {name}"))?;
    println!("{name} is written");
    Ok(())
}

//! Where things are.

use std::path::{Path, PathBuf};

/// The OpenAPI document, seen from the root.
pub(crate) const DOCUMENT: &str = "sandbox-api-spec.yaml";

/// The root of the repository this program was built in.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

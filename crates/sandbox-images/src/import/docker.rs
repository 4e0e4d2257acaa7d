//! The archives that `docker save` and those that do as it does write.

use serde::Deserialize;

use super::{Parts, choose};
use crate::images::Leased;
use crate::manifest::{invalid, parse};
use crate::store::Store;
use crate::{Digest, Result};

/// Tells of the images in the archive.
pub(super) const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    /// The path of its configuration, which is named by its digest.
    config: String,
    repo_tags: Option<Vec<String>>,
    /// The paths of its layers, lowest first.
    layers: Vec<String>,
}

impl Saved {
    /// What it goes by; without a tag, its configuration.
    fn tags(&self) -> Vec<String> {
        match &self.repo_tags {
            Some(tags) if !tags.is_empty() => tags.clone(),
            _ => vec![self.config.clone()],
        }
    }
}

/// Puts an image into the store.
///
/// There is no manifest as registries have them, so it goes by what Docker calls its id: the digest of its
/// configuration, which has the digests of its layers. These are read from the archive as they are unpacked.
pub(super) fn import(store: &Store, parts: &Parts, reference: Option<&str>) -> Result<Leased> {
    let all: Vec<Saved> = parse(MANIFEST, &parts.document(MANIFEST)?)?;
    let tagged = all.into_iter().map(|saved| (saved.tags(), saved)).collect();
    let chosen = choose(parts, tagged, reference, |one, other| one.config == other.config)?;
    let saved = chosen
        .first()
        .ok_or_else(|| invalid(format!("{parts} has no image")))?;
    let config = parts.document(&saved.config)?;
    let id = Digest::of(&config);
    check_id(&saved.config, id)?;
    if let Some(image) = store.image(&id)? {
        return Ok(image);
    }
    let layers = saved.layers.iter().map(|layer| parts.part(layer));
    store.unpack_parts(id, &config, Vec::new(), layers.collect::<Result<_>>()?)
}

/// A configuration whose name says its digest has to have it: nothing else of the archive says which it should be.
fn check_id(path: &str, found: Digest) -> Result<()> {
    let file = path.rsplit('/').next().unwrap_or_default();
    let named = file.strip_suffix(".json").unwrap_or(file);
    let said = format!("sha256:{}", named.strip_prefix("sha256:").unwrap_or(named)).parse::<Digest>();
    if said.is_ok_and(|said| said != found) {
        return Err(invalid(format!(
            "the configuration {path:?} has the digest {found}"
        )));
    }
    Ok(())
}

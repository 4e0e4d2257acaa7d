//! The unpacking of an image into its place.

use std::fs::{self, File};
use std::io;
use std::time::SystemTime;

use super::files::{Lock, open_locked, reading};
use super::image::Record;
use super::{Store, failed, make_dir};
use crate::images::Leased;
use crate::manifest::{ConfigFile, invalid};
use crate::part::Part;
use crate::unpack::unpack;
use crate::{Digest, Result};

/// A layer of an image: its blob, which stays for as long as it is open.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) digest: Digest,
    pub(crate) blob: File,
}

impl Store {
    /// Unpacks an image, lowest layer first, unless somebody else just did. Blocks while somebody else does.
    pub(crate) fn unpack(&self, manifest: Digest, config: &[u8], layers: Vec<Layer>) -> Result<Leased> {
        let blobs = layers.iter().map(|layer| layer.digest.hex()).collect();
        let parts = layers.into_iter().map(|layer| layer.blob.into()).collect();
        self.unpack_parts(manifest, config, blobs, parts)
    }

    /// [`unpack`](Self::unpack), from layers that are wherever they are; `blobs` are those that the store has of them.
    pub(crate) fn unpack_parts(
        &self,
        manifest: Digest,
        config: &[u8],
        blobs: Vec<String>,
        parts: Vec<Part>,
    ) -> Result<Leased> {
        let config = ConfigFile::parse(config)?;
        if config.diff_ids.len() != parts.len() {
            let (layers, diff_ids) = (parts.len(), config.diff_ids.len());
            return Err(invalid(format!(
                "the image has {layers} layers and the digests of {diff_ids}"
            )));
        }
        let failed = |e| failed(format!("the image {manifest} cannot be unpacked"), e);
        let work = self.path("work", &manifest.hex());
        let _alone = self.lock_work(&work).map_err(failed)?;
        if let Some(image) = self.image(&manifest)? {
            fs::remove_dir_all(&work).map_err(failed)?;
            return Ok(image);
        }
        clear(&work).map_err(failed)?;
        let image = self.build(manifest, config, blobs, parts);
        if image.is_err() {
            self.discard(&work);
        }
        image
    }

    fn build(
        &self,
        manifest: Digest,
        config: ConfigFile,
        blobs: Vec<String>,
        parts: Vec<Part>,
    ) -> Result<Leased> {
        let failed = |e| failed(format!("the image {manifest} cannot be unpacked"), e);
        let work = self.path("work", &manifest.hex());
        let layers = parts.into_iter().zip(config.diff_ids).collect();
        let bytes = unpack(&work.join("tree"), layers, &self.inner.limits)?;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let record = Record {
            config: config.config,
            blobs,
            bytes,
            created: now.as_secs(),
            boot: self.inner.boot.clone(),
        };
        let content = serde_json::to_vec(&record).map_err(|e| failed(e.into()))?;
        fs::write(work.join("image.json"), content).map_err(failed)?;
        // The lock is taken before others can see the image, and goes with the file to its place.
        let lease = open_locked(&work.join("image.json"), &reading(), Lock::Shared).map_err(failed)?;
        let place = self.path("images", &manifest.hex());
        if place.exists() {
            self.discard(&place);
        }
        fs::rename(&work, &place).map_err(failed)?;
        let image = self
            .image(&manifest)?
            .ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        drop(lease);
        // In this order: what is being written out is in use.
        self.evict();
        self.settle();
        Ok(image)
    }

    fn lock_work(&self, work: &std::path::Path) -> io::Result<File> {
        loop {
            make_dir(work)?;
            if let Some(lock) = open_locked(work, &reading(), Lock::Alone)? {
                return Ok(lock);
            }
        }
    }
}

/// Removes what a killed process left.
fn clear(work: &std::path::Path) -> io::Result<()> {
    for name in super::files::names_in(work)? {
        let path = work.join(name);
        if fs::symlink_metadata(&path)?.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

//! Images that are unpacked.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::blobs::{SETTLED, mark_settled};
use super::files::{Lock, names_in, open_locked, reading, touch};
use super::{Store, failed};
use crate::images::{Lease, Leased};
use crate::manifest::MAX_DOCUMENT;
use crate::{Digest, Image, ImageConfig, Result};

/// What is known of an image, in its `image.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) config: ImageConfig,
    /// The blobs it was unpacked from.
    pub(super) blobs: Vec<String>,
    /// What its tree takes.
    pub(super) bytes: u64,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// In which run of the kernel it was unpacked.
    pub(super) boot: String,
}

/// Held by whoever tries the locks of images to learn which are in use, so that nobody else's try looks like a use.
pub(super) struct Alone(#[expect(dead_code, reason = "it is locked for as long as it is open")] File);

impl Store {
    /// Waits until nobody else, in any process, looks which images are in use.
    pub(super) fn look_alone(&self) -> io::Result<Alone> {
        let dir = self.inner.dir.join("images");
        let lock = open_locked(&dir, &reading(), Lock::Alone)?;
        lock.map(Alone).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// An image that is unpacked already, with a lease; this notes that it is used.
    pub(crate) fn image(&self, digest: &Digest) -> Result<Option<Leased>> {
        self.lease(digest)
            .map_err(|e| failed(format!("the image {digest} cannot be read"), e))
    }

    fn lease(&self, digest: &Digest) -> io::Result<Option<Leased>> {
        let dir = self.path("images", &digest.hex());
        let Some(file) = open_locked(&dir.join("image.json"), &reading(), Lock::Shared)? else {
            return Ok(None);
        };
        let Some(record) = self.record(&file)? else {
            return Ok(None);
        };
        touch(&file);
        Ok(Some(Leased {
            digest: *digest,
            tree: dir.join("tree"),
            config: record.config,
            lease: Lease::new(file.into()),
        }))
    }

    /// What a lock file says; `None` when power may have been lost before all of the tree was on the disk.
    pub(super) fn record(&self, file: &File) -> io::Result<Option<Record>> {
        let mut content = Vec::new();
        file.take(MAX_DOCUMENT as u64).read_to_end(&mut content)?;
        let settled = file.metadata()?.permissions().mode() & 0o777 == SETTLED;
        let record = serde_json::from_slice::<Record>(&content).ok();
        Ok(record.filter(|record| settled || record.boot == self.inner.boot))
    }

    /// What is in the store, least recently used first.
    pub(crate) fn list(&self) -> Result<Vec<Image>> {
        self.look_alone()
            .and_then(|alone| self.read_images(&alone))
            .map_err(|e| failed("the images cannot be listed", e))
    }

    pub(super) fn read_images(&self, _alone: &Alone) -> io::Result<Vec<Image>> {
        let names = self.all_names()?;
        let mut found = Vec::new();
        for hex in names_in(&self.inner.dir.join("images"))? {
            let Ok(digest) = format!("sha256:{hex}").parse::<Digest>() else {
                continue;
            };
            let path = self.path("images", &hex).join("image.json");
            // Trying the lock says whether somebody has it; it is let go at once.
            let unused = open_locked(&path, &reading(), Lock::AloneNow)?;
            let in_use = unused.is_none();
            drop(unused);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let Some(record) = self.record(&file)? else {
                continue;
            };
            found.push((digest, record, file.metadata()?.modified()?, in_use));
        }
        let holders = |blob: &String| {
            found
                .iter()
                .filter(|(_, record, ..)| record.blobs.contains(blob))
                .count()
        };
        let own_blobs = |record: &Record| -> u64 {
            let own = record.blobs.iter().filter(|blob| holders(blob) == 1);
            own.filter_map(|blob| fs::metadata(self.path("blobs", blob)).ok())
                .map(|blob| blob.len())
                .sum()
        };
        let mut images: Vec<Image> = found
            .iter()
            .map(|(digest, record, used, in_use)| Image {
                digest: *digest,
                names: names
                    .iter()
                    .filter(|(_, named)| named == digest)
                    .map(|(name, _)| name.clone())
                    .collect(),
                bytes: record.bytes.saturating_add(own_blobs(record)),
                created: SystemTime::UNIX_EPOCH + Duration::from_secs(record.created.min(u32::MAX.into())),
                used: *used,
                in_use: *in_use,
            })
            .collect();
        images.sort_by_key(|image| image.used);
        Ok(images)
    }

    /// Writes everything out, then says so of what was there before. Power lost earlier costs another unpacking.
    ///
    /// The thread ends by itself, and may be cut off by the process's end: nothing but that mark depends on it.
    pub(super) fn settle(&self) {
        let store = self.clone();
        let run = move || {
            if let Err(e) = store.write_out() {
                tracing::warn!(error = %e, "the image store could not be written out");
            }
        };
        if let Err(e) = std::thread::Builder::new().name("images-sync".into()).spawn(run) {
            tracing::warn!(error = %e, "the image store is not written out, for want of a thread");
        }
    }

    fn write_out(&self) -> io::Result<()> {
        let mut waiting = Vec::new();
        for hex in names_in(&self.inner.dir.join("blobs"))? {
            let Ok(digest) = format!("sha256:{hex}").parse() else {
                continue;
            };
            let settled = |meta: fs::Metadata| meta.permissions().mode() & 0o777 == SETTLED;
            // Opening it verifies it: the run of the kernel that wrote it may have ended too early.
            if !fs::metadata(self.path("blobs", &hex)).is_ok_and(settled) {
                waiting.extend(self.open_blob(&digest)?);
            }
        }
        for hex in names_in(&self.inner.dir.join("images"))? {
            let file = File::open(self.path("images", &hex).join("image.json")).ok();
            // What another run of the kernel left unmarked is not whole for being written out now.
            waiting.extend(file.filter(|file| matches!(self.record(file), Ok(Some(_)))));
        }
        waiting.retain(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.permissions().mode() & 0o777 != SETTLED)
        });
        rustix::fs::syncfs(File::open(&self.inner.dir)?)?;
        waiting.iter().try_for_each(mark_settled)
    }
}

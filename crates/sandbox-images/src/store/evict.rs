//! What leaves the store: what is removed, what there is no room for, what killed processes left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::{Lock, names_in, open_locked, reading};
use super::image::Alone;
use super::{Store, failed};
use crate::images::Pruned;
use crate::{Digest, Error, ErrorKind, Image, ImageName, Result};

/// How long a partial blob that nobody continues is kept.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

impl Store {
    /// Forgets a name, and the image when it has no other and nobody uses it.
    pub(crate) fn remove(&self, name: &ImageName) -> Result<()> {
        let digest = self.named(name)?;
        if !self.unname(name)? {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no image goes by the name {name}"),
            ));
        }
        let failed = |e| failed(format!("the image {name} cannot be removed"), e);
        let Some(digest) = digest else { return Ok(()) };
        if self
            .all_names()
            .map_err(failed)?
            .iter()
            .all(|(_, other)| *other != digest)
        {
            let alone = self.look_alone().map_err(failed)?;
            let gone = self.take_image(&digest, &alone).map_err(failed)?;
            self.drop_loose_blobs().map_err(failed)?;
            drop(alone);
            gone.iter().for_each(|gone| delete(gone));
        }
        Ok(())
    }

    /// Removes every image that nobody uses, or only those without a name.
    pub(crate) fn prune(&self, only_unnamed: bool) -> Result<Pruned> {
        let failed = |e| failed("the image store cannot be pruned", e);
        let alone = self.look_alone().map_err(failed)?;
        let before = self.bytes().map_err(failed)?;
        let (mut pruned, mut gone) = (Pruned::default(), Vec::new());
        for image in self.read_images(&alone).map_err(failed)? {
            if only_unnamed && !image.names.is_empty() {
                continue;
            }
            if let Some(taken) = self.take_image(&image.digest, &alone).map_err(failed)? {
                self.forget_names(&image)?;
                pruned.images += 1;
                gone.push(taken);
            }
        }
        self.drop_loose_blobs().map_err(failed)?;
        pruned.bytes = before.saturating_sub(self.bytes().map_err(failed)?);
        drop(alone);
        gone.iter().for_each(|gone| delete(gone));
        Ok(pruned)
    }

    /// Makes room: blobs first, which only spare another reading, then images; what was used longest ago before others.
    ///
    /// What somebody uses stays, so that the store may be larger than it should be while much of it is in use.
    pub(super) fn evict(&self) {
        let Some(max) = self.inner.max_bytes else { return };
        let mut gone = Vec::new();
        let evicted = self
            .look_alone()
            .and_then(|alone| self.evict_to(max, &alone, &mut gone));
        if let Err(e) = evicted {
            tracing::warn!(error = %e, "the image store could not be made smaller");
        }
        gone.iter().for_each(|gone| delete(gone));
    }

    fn evict_to(&self, max: u64, alone: &Alone, gone: &mut Vec<PathBuf>) -> io::Result<()> {
        let mut bytes = self.bytes()?;
        let mut blobs = Vec::new();
        for hex in names_in(&self.inner.dir.join("blobs"))? {
            let path = self.path("blobs", &hex);
            blobs.extend(fs::metadata(&path).and_then(|meta| Ok((meta.modified()?, path, meta.len()))));
        }
        blobs.sort();
        for (_, path, size) in blobs {
            if bytes <= max {
                return Ok(());
            }
            if take_file(&path)? {
                bytes = bytes.saturating_sub(size);
            }
        }
        for image in self.read_images(alone)? {
            if bytes <= max {
                return Ok(());
            }
            if let Some(taken) = self.take_image(&image.digest, alone)? {
                gone.push(taken);
                tracing::info!(image = %image.digest, "an image leaves the store for want of room");
                self.forget_names(&image).map_err(io::Error::other)?;
                bytes = bytes.saturating_sub(image.bytes);
            }
        }
        Ok(())
    }

    /// Bytes of blobs, whole or not, and of trees.
    fn bytes(&self) -> io::Result<u64> {
        let mut total = 0_u64;
        for part in ["blobs", "partial"] {
            for name in names_in(&self.inner.dir.join(part))? {
                total =
                    total.saturating_add(fs::metadata(self.path(part, &name)).map_or(0, |meta| meta.len()));
            }
        }
        for hex in names_in(&self.inner.dir.join("images"))? {
            let Ok(file) = fs::File::open(self.path("images", &hex).join("image.json")) else {
                continue;
            };
            total = total.saturating_add(self.record(&file)?.map_or(0, |record| record.bytes));
        }
        Ok(total)
    }

    /// Takes an image out of the store unless somebody uses it, and says where what is to be deleted is: that takes long,
    /// and nobody has to wait for it.
    fn take_image(&self, digest: &Digest, _alone: &Alone) -> io::Result<Option<PathBuf>> {
        let dir = self.path("images", &digest.hex());
        let Some(_unused) = open_locked(&dir.join("image.json"), &reading(), Lock::AloneNow)? else {
            return Ok(None);
        };
        let gone = self.scratch("gone");
        fs::rename(&dir, &gone)?;
        Ok(Some(gone))
    }

    fn forget_names(&self, image: &Image) -> Result<()> {
        for name in &image.names {
            // Somebody may have given it to another meanwhile.
            if self.named(name)? == Some(image.digest) {
                self.unname(name)?;
            }
        }
        Ok(())
    }

    /// Removes the blobs that no image was unpacked from, and nobody uses.
    fn drop_loose_blobs(&self) -> io::Result<()> {
        let mut kept = std::collections::HashSet::new();
        for hex in names_in(&self.inner.dir.join("images"))? {
            let Ok(file) = fs::File::open(self.path("images", &hex).join("image.json")) else {
                continue;
            };
            kept.extend(self.record(&file)?.into_iter().flat_map(|record| record.blobs));
        }
        for hex in names_in(&self.inner.dir.join("blobs"))?
            .iter()
            .filter(|hex| !kept.contains(*hex))
        {
            take_file(&self.path("blobs", hex))?;
        }
        Ok(())
    }

    /// Removes what killed processes left, as far as nobody works with it.
    pub(super) fn sweep(&self) {
        if let Err(e) = self.try_sweep() {
            tracing::warn!(error = %e, "the image store could not be swept");
        }
    }

    fn try_sweep(&self) -> io::Result<()> {
        for name in names_in(&self.inner.dir.join("work"))? {
            let path = self.path("work", &name);
            if let Some(_alone) = open_locked(&path, &reading(), Lock::AloneNow)? {
                // Moved away first: whoever waits for the lock makes a new one rather than work in what goes.
                self.discard(&path);
            }
        }
        for name in names_in(&self.inner.dir.join("partial"))? {
            let path = self.path("partial", &name);
            let written = fs::metadata(&path)
                .and_then(|meta| meta.modified())
                .unwrap_or_else(|_| SystemTime::now());
            if written.elapsed().is_ok_and(|age| age > ABANDONED) {
                take_file(&path)?;
            }
        }
        let _alone = self.look_alone()?;
        for hex in names_in(&self.inner.dir.join("images"))? {
            let dir = self.path("images", &hex);
            let Some(file) = open_locked(&dir.join("image.json"), &reading(), Lock::AloneNow)? else {
                continue;
            };
            if self.record(&file)?.is_none() {
                self.discard(&dir);
            }
        }
        Ok(())
    }

    /// Moves something out of everybody's way and deletes it.
    pub(super) fn discard(&self, path: &Path) {
        let gone = self.scratch("gone");
        match fs::rename(path, &gone) {
            Ok(()) => delete(&gone),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => tracing::warn!(error = %e, "a left-over of the image store cannot be moved"),
        }
    }

    /// A path that nothing has, for what is on its way to another or away.
    pub(super) fn scratch(&self, what: &str) -> PathBuf {
        self.path("work", &format!("{what}-{:016x}", fastrand::u64(..)))
    }
}

/// Removes a file unless somebody uses it; whether it did.
fn take_file(path: &Path) -> io::Result<bool> {
    let Some(_alone) = open_locked(path, &reading(), Lock::AloneNow)? else {
        return Ok(false);
    };
    fs::remove_file(path)?;
    Ok(true)
}

/// Deletes what stands in nobody's way; the next sweep tries again.
fn delete(path: &Path) {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    let deleted = if is_dir {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    if let Err(e) = deleted.or_else(|e| {
        if e.kind() == io::ErrorKind::NotFound {
            Ok(())
        } else {
            Err(e)
        }
    }) {
        tracing::warn!(error = %e, "a left-over of the image store cannot be deleted");
    }
}

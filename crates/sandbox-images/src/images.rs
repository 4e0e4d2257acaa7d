//! The whole: images by name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::import::{import, import_tree};
use crate::manifest::invalid;
use crate::store::{Store, failed};
use crate::{Digest, Image, ImageConfig, ImageName, Result};

/// Images by name, on this machine. Cheap to clone; everything here blocks.
///
/// Several processes may have one store, and any of them may be killed at any moment.
///
/// ```no_run
/// use sandbox_images::{ImageName, Images};
///
/// let images = Images::open("/var/lib/sandbox/images", Some(20 << 30))?;
/// let name: ImageName = "python:3.11".parse()?;
/// images.import("python-layout", &name)?;
/// if let Some(leased) = images.find(&name)? {
///     println!("{} is in {}", leased.digest, leased.tree.display());
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Images {
    store: Store,
}

/// What [`Images::prune`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// How many images.
    pub images: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// An image that nobody removes while this is held.
#[derive(Debug)]
#[non_exhaustive]
pub struct Leased {
    /// Of its manifest.
    pub digest: Digest,
    /// Its root directory, which nobody writes to.
    pub tree: PathBuf,
    /// What it says of itself.
    pub config: ImageConfig,
    /// Keeps it.
    pub lease: Lease,
}

/// Keeps an image in the store for as long as a copy of its descriptor is open, in whatever process.
#[derive(Debug)]
pub struct Lease(OwnedFd);

impl Lease {
    pub(crate) fn new(locked: OwnedFd) -> Self {
        Self(locked)
    }
}

impl Leased {
    /// The same image with a lease of its own.
    pub(crate) fn share(&self) -> Result<Self> {
        let failed = |e| failed(format!("the image {} cannot be leased", self.digest), e);
        let lease = Lease(self.lease.0.try_clone().map_err(failed)?);
        Ok(Self {
            digest: self.digest,
            tree: self.tree.clone(),
            config: self.config.clone(),
            lease,
        })
    }
}

impl AsFd for Lease {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Images {
    /// Opens the store in a directory, or makes it, and sweeps what killed processes left.
    ///
    /// With `max_bytes` whatever was used longest ago leaves it for want of room, but nothing that is in use.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when the directory cannot be used.
    pub fn open(dir: impl AsRef<Path>, max_bytes: Option<u64>) -> Result<Self> {
        Store::open(dir.as_ref(), max_bytes).map(|store| Self { store })
    }

    /// The image of this name, if it is here. A name with a digest is that of an image, whatever its tag, or that of an
    /// index which led to one when this name was pulled.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub fn find(&self, name: &ImageName) -> Result<Option<Leased>> {
        if let Some(digest) = name.digest()
            && let Some(image) = self.store.image(digest)?
        {
            return Ok(Some(image));
        }
        match self.store.named(name)? {
            Some(digest) => self.store.image(&digest),
            None => Ok(None),
        }
    }

    /// Puts an image into the store, under a name that another may have had. What it is in is found out by looking:
    ///
    /// - a directory in the [OCI image layout], or a tar archive of one,
    /// - an archive of `docker save`; since there is no manifest in it, the image goes by its id, the digest of its
    ///   configuration.
    ///
    /// Archives may be compressed with gzip or zstd; they are decompressed into the store then, and are gone from there
    /// when this ends. Of images for several platforms it takes that for this one. Where there are several images,
    /// [`import_tagged`](Self::import_tagged) takes one of them.
    ///
    /// Devices and fifos are left out, and so are extended attributes, file capabilities among them. Run as root it
    /// keeps the owners of files; for anybody else all files are the user's own, and no program is setuid.
    ///
    /// [OCI image layout]: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such file, or no image for this platform,
    /// [`Invalid`](crate::ErrorKind::Invalid) for one that breaks the rules, and for several, whose tags it lists,
    /// [`TooLarge`](crate::ErrorKind::TooLarge) beyond a bound, [`Store`](crate::ErrorKind::Store).
    pub fn import(&self, path: impl AsRef<Path>, name: &ImageName) -> Result<Leased> {
        self.named(name, import(&self.store, path.as_ref(), None)?)
    }

    /// [`import`](Self::import), of the image that goes by this tag or name in the layout or archive.
    ///
    /// # Errors
    /// As for [`import`](Self::import), and [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) with the tags there are.
    pub fn import_tagged(&self, path: impl AsRef<Path>, tag: &str, name: &ImageName) -> Result<Leased> {
        self.named(name, import(&self.store, path.as_ref(), Some(tag))?)
    }

    /// Puts the tar archive of a root file system, compressed with gzip or zstd or not at all, into the store, as an
    /// image that says nothing of itself. Otherwise it is as one layer is for [`import`](Self::import).
    ///
    /// # Errors
    /// As for [`import`](Self::import).
    pub fn import_tree(&self, archive: impl AsRef<Path>, name: &ImageName) -> Result<Leased> {
        self.named(name, import_tree(&self.store, archive.as_ref())?)
    }

    fn named(&self, name: &ImageName, image: Leased) -> Result<Leased> {
        if name.digest().is_some_and(|digest| *digest != image.digest) {
            return Err(invalid(format!(
                "the image {} cannot be named {name}",
                image.digest
            )));
        }
        self.store.name(name, image.digest)?;
        Ok(image)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is in the store, least recently used first.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub fn list(&self) -> Result<Vec<Image>> {
        self.store.list()
    }

    /// Forgets a name, and the image when it has no other and nobody uses it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub fn remove(&self, name: &ImageName) -> Result<()> {
        self.store.remove(name)
    }

    /// Removes every image that nobody uses, or only those without a name.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store).
    pub fn prune(&self, only_unnamed: bool) -> Result<Pruned> {
        self.store.prune(only_unnamed)
    }
}

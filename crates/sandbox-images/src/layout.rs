//! The OCI image layout: a directory with an index and blobs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::images::Leased;
use crate::manifest::{Descriptor, Document, MAX_DOCUMENT, MAX_NESTED, Manifest, invalid};
use crate::platform::for_this_platform;
use crate::store::{Layer, Store};
use crate::{Digest, Error, Result};

/// Bytes copied at once.
const PIECE: usize = 256 << 10;

/// A layout in a directory that somebody else made.
pub(crate) struct Layout<'a> {
    dir: &'a Path,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    /// Puts the image for this platform into the store.
    pub(crate) fn import(&self, store: &Store) -> Result<Leased> {
        let (digest, manifest) = self.manifest()?;
        if let Some(image) = store.image(&digest)? {
            return Ok(image);
        }
        let config = self.document(&manifest.config)?;
        let layers = manifest.layers.iter().map(|layer| {
            let blob = self.copy(store, layer)?;
            Ok(Layer {
                digest: layer.digest,
                blob,
            })
        });
        store.unpack(digest, &config, layers.collect::<Result<_>>()?)
    }

    fn manifest(&self) -> Result<(Digest, Manifest)> {
        let mut document = Document::parse(&self.read_bounded(&self.dir.join("index.json"))?)?;
        for _ in 0..MAX_NESTED {
            let Document::Index(index) = document else { break };
            let chosen = for_this_platform(&index)?;
            match Document::parse(&self.document(chosen)?)? {
                Document::Manifest(manifest) => return Ok((chosen.digest, manifest)),
                nested => document = nested,
            }
        }
        Err(invalid(format!(
            "the index of {} leads to no manifest",
            self.dir.display()
        )))
    }

    /// A small blob, verified.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let content = self.read_bounded(&self.blob(&descriptor.digest))?;
        let found = Digest::of(&content);
        if found != descriptor.digest {
            return Err(invalid(format!(
                "the blob {} has the digest {found}",
                descriptor.digest
            )));
        }
        Ok(content)
    }

    fn read_bounded(&self, path: &Path) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        open(path)?
            .take(MAX_DOCUMENT as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|error| unreadable(path, error))?;
        // Who parses it says that it is too long.
        Ok(content)
    }

    /// Copies a blob into the store, which verifies it.
    fn copy(&self, store: &Store, descriptor: &Descriptor) -> Result<File> {
        if let Some(blob) = store.blob(&descriptor.digest)? {
            return Ok(blob);
        }
        let path = self.blob(&descriptor.digest);
        let mut source = open(&path)?;
        let mut copy = store.download(&descriptor.digest, descriptor.size)?;
        // What a killed import has left may be of a file that was another one then.
        copy.restart()?;
        let mut piece = vec![0; PIECE];
        while copy.offset() < descriptor.size {
            match source.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => copy.write(piece.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&path, error)),
            }
        }
        copy.finish()
    }

    fn blob(&self, digest: &Digest) -> std::path::PathBuf {
        self.dir.join("blobs").join("sha256").join(digest.hex())
    }
}

/// Opens a regular file; anything else could keep its reader waiting for ever.
fn open(path: &Path) -> Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| unreadable(path, error))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(invalid(format!("{} is no file", path.display()))),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    invalid(format!("{} cannot be read", path.display())).with_source(error)
}

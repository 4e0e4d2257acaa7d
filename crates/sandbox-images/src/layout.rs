//! The OCI image layout: an index and blobs, in a directory or an archive.

use std::fs::File;
use std::io::{self, Read};

use crate::compression::{CHUNK, unreadable};
use crate::images::Leased;
use crate::import::{Parts, choose};
use crate::manifest::{Descriptor, Document, MAX_NESTED, Manifest, invalid};
use crate::platform::for_this_platform;
use crate::store::{Layer, Store};
use crate::{Digest, Result};

/// Tells of the images in a layout.
pub(crate) const INDEX: &str = "index.json";

/// A layout that somebody else made.
pub(crate) struct Layout<'a> {
    parts: &'a Parts,
    reference: Option<&'a str>,
}

impl<'a> Layout<'a> {
    /// Of several images, that of this reference is meant.
    pub(crate) fn new(parts: &'a Parts, reference: Option<&'a str>) -> Self {
        Self { parts, reference }
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
        let mut document = Document::parse(&self.parts.document(INDEX)?)?;
        if let Document::Index(index) = &mut document {
            index.manifests = self.chosen(std::mem::take(&mut index.manifests))?;
        }
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
            self.parts
        )))
    }

    /// What of a layout's index is the image that is meant.
    fn chosen(&self, manifests: Vec<Descriptor>) -> Result<Vec<Descriptor>> {
        let tagged = manifests.into_iter().map(|descriptor| {
            let annotations = descriptor.annotations.iter();
            let tags = annotations.flat_map(|said| said.reference.iter().chain(&said.name));
            (tags.cloned().collect(), descriptor)
        });
        choose(self.parts, tagged.collect(), self.reference, |one, other| {
            one.digest == other.digest
        })
    }

    /// A small blob, verified.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let content = self.parts.document(&blob(&descriptor.digest))?;
        let found = Digest::of(&content);
        if found != descriptor.digest {
            return Err(invalid(format!(
                "the blob {} has the digest {found}",
                descriptor.digest
            )));
        }
        Ok(content)
    }

    /// Copies a blob into the store, which verifies it.
    fn copy(&self, store: &Store, descriptor: &Descriptor) -> Result<File> {
        if let Some(blob) = store.blob(&descriptor.digest)? {
            return Ok(blob);
        }
        let path = blob(&descriptor.digest);
        let mut source = self.parts.part(&path)?;
        let mut copy = store.download(&descriptor.digest, descriptor.size)?;
        // What a killed import has left may be of a file that was another one then.
        copy.restart()?;
        let mut piece = vec![0; CHUNK];
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
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

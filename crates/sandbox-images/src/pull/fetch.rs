//! One pull: documents, then layers, then the tree.

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};

use super::attempts::Attempts;
use super::blob::Layers;
use super::progress::Report;
use crate::blocking::blocking;
use crate::images::Leased;
use crate::manifest::{Descriptor, Document, MAX_NESTED, Manifest, invalid};
use crate::platform::for_this_platform;
use crate::registry::{Reference, Repository};
use crate::store::{Layer, Store};
use crate::{Digest, Error, ErrorKind, ImageName, Result};

/// Layers that are fetched at the same time.
const PARALLEL: usize = 3;

/// The work of one pull.
pub(super) struct Fetch<'a> {
    store: Store,
    /// Who has it, in the order in which they are asked; there is at least one.
    repositories: Vec<Repository>,
    name: &'a ImageName,
    report: &'a Report,
}

/// What the image's name leads to.
enum Found {
    InStore(Leased),
    Manifest(Digest, Manifest),
}

/// A document to ask for.
enum Wanted<'a> {
    Manifest(&'a Reference),
    Blob(&'a Digest),
}

impl<'a> Fetch<'a> {
    pub(super) fn new(
        store: Store,
        repositories: Vec<Repository>,
        name: &'a ImageName,
        report: &'a Report,
    ) -> Self {
        Self {
            store,
            repositories,
            name,
            report,
        }
    }

    /// The image, under its name.
    pub(super) async fn image(&self) -> Result<Leased> {
        let image = match self.resolve().await? {
            Found::InStore(image) => image,
            Found::Manifest(digest, manifest) => self.unpacked(digest, &manifest).await?,
        };
        let (store, name) = (self.store.clone(), self.name.clone());
        blocking(move || {
            if store.named(&name)? != Some(image.digest) {
                store.name(&name, image.digest)?;
            }
            Ok(image)
        })
        .await
    }

    /// Follows indexes to a manifest, unless they lead to what is in the store.
    async fn resolve(&self) -> Result<Found> {
        let mut reference = Reference::of(self.name);
        for _ in 0..=MAX_NESTED {
            let (digest, content) = self.document(Wanted::Manifest(&reference)).await?;
            if let Some(image) = self.stored(digest).await? {
                return Ok(Found::InStore(image));
            }
            let chosen = match Document::parse(&content)? {
                Document::Manifest(manifest) => return Ok(Found::Manifest(digest, manifest)),
                Document::Index(index) => for_this_platform(&index)?.digest,
            };
            if let Some(image) = self.stored(chosen).await? {
                return Ok(Found::InStore(image));
            }
            reference = Reference::Digest(chosen);
        }
        Err(invalid("its indexes lead to no manifest"))
    }

    async fn stored(&self, digest: Digest) -> Result<Option<Leased>> {
        let store = self.store.clone();
        blocking(move || store.image(&digest)).await
    }

    async fn unpacked(&self, digest: Digest, manifest: &Manifest) -> Result<Leased> {
        let sizes = manifest.layers.iter().map(|layer| layer.size);
        self.report.total(sizes.fold(0, u64::saturating_add));
        let config = self.document(Wanted::Blob(&manifest.config.digest)).await?.1;
        let layers = self.layers(&manifest.layers).await?;
        self.report.unpacking();
        let store = self.store.clone();
        blocking(move || store.unpack(digest, &config, layers)).await
    }

    async fn layers(&self, layers: &[Descriptor]) -> Result<Vec<Layer>> {
        let source = Layers {
            store: &self.store,
            repositories: &self.repositories,
            report: self.report,
        };
        // Boxed, or the compiler does not see that the whole can be sent to another thread.
        let fetched: Vec<_> = layers.iter().map(|layer| source.layer(layer).boxed()).collect();
        stream::iter(fetched).buffered(PARALLEL).try_collect().await
    }

    /// A document from the first who has it; the last who is asked says why there is none.
    async fn document(&self, wanted: Wanted<'_>) -> Result<(Digest, Vec<u8>)> {
        let mut failed = Error::new(ErrorKind::NotFound, "nobody has it");
        for repository in &self.repositories {
            match patiently(repository, &wanted).await {
                Ok(document) => return Ok(document),
                Err(error) => {
                    tracing::debug!(registry = repository.registry(), %error, "a document was not had");
                    failed = error;
                }
            }
        }
        Err(failed)
    }
}

async fn patiently(repository: &Repository, wanted: &Wanted<'_>) -> Result<(Digest, Vec<u8>)> {
    let mut attempts = Attempts::for_document();
    loop {
        let asked = match wanted {
            Wanted::Manifest(reference) => repository.manifest(reference).await,
            Wanted::Blob(digest) => repository
                .small_blob(digest)
                .await
                .map(|content| (**digest, content)),
        };
        match asked {
            Ok(document) => return Ok(document),
            Err(failure) => tokio::time::sleep(attempts.after(failure, 0)?).await,
        }
    }
}

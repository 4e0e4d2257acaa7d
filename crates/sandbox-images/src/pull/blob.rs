//! Layers on their way into the store.

use std::fs::File;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::attempts::Attempts;
use super::progress::{Part, Report};
use crate::blocking::blocking;
use crate::manifest::Descriptor;
use crate::registry::Repository;
use crate::store::{Download, Layer, Store, failed};
use crate::{Digest, Error, ErrorKind, Result};

/// Pieces that have come and are not written yet.
const AHEAD: usize = 16;
/// How often it is looked whether somebody else is done with the same blob.
const LOOK: Duration = Duration::from_millis(50);

/// Where layers come from and where they go.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a> {
    pub(super) store: &'a Store,
    pub(super) repositories: &'a [Repository],
    pub(super) report: &'a Report,
}

impl Layers<'_> {
    /// A layer, from the store or the first who has it.
    pub(super) async fn layer(self, layer: &Descriptor) -> Result<Layer> {
        let mut part = self.report.part();
        let blob = match self.stored(layer.digest).await? {
            Some(blob) => blob,
            None => self.fetch(layer, &mut part).await?,
        };
        part.here(layer.size);
        Ok(Layer {
            digest: layer.digest,
            blob,
        })
    }

    async fn stored(self, digest: Digest) -> Result<Option<File>> {
        let store = self.store.clone();
        blocking(move || store.blob(&digest)).await
    }

    async fn fetch(self, layer: &Descriptor, part: &mut Part<'_>) -> Result<File> {
        let mut failure = Error::new(ErrorKind::NotFound, "nobody has it");
        for repository in self.repositories {
            let mut writer = Writer::start(self.download(layer).await?);
            let received = receive(repository, layer, &mut writer, part).await;
            let stored = match received {
                Ok(()) => writer.finish().await,
                Err(error) => Err(error),
            };
            match stored {
                Ok(blob) => return Ok(blob),
                // It is no better with another's.
                Err(error) if error.kind() == ErrorKind::Store => return Err(error),
                Err(error) => {
                    tracing::debug!(registry = repository.registry(), %error, "a layer was not had");
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    /// The partial blob, once nobody else, in any process, works at it. No thread waits meanwhile: it could not be told
    /// to stop.
    async fn download(self, layer: &Descriptor) -> Result<Download> {
        loop {
            let (store, digest, size) = (self.store.clone(), layer.digest, layer.size);
            if let Some(download) = blocking(move || store.try_download(&digest, size)).await? {
                return Ok(download);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// All of a blob, in as many tries as make progress.
async fn receive(
    repository: &Repository,
    layer: &Descriptor,
    writer: &mut Writer,
    part: &mut Part<'_>,
) -> Result<()> {
    let mut attempts = Attempts::for_blob();
    while writer.offset < layer.size {
        if let Err(failure) = attempt(repository, layer, writer, part).await {
            let pause = attempts.after(failure, writer.offset)?;
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

async fn attempt(
    repository: &Repository,
    layer: &Descriptor,
    writer: &mut Writer,
    part: &mut Part<'_>,
) -> Result<()> {
    part.here(writer.offset);
    let mut blob = repository.blob(&layer.digest, writer.offset).await?;
    if !blob.continues {
        writer.restart().await?;
    }
    while let Some(piece) = blob.piece().await? {
        writer.write(piece).await?;
        part.here(writer.offset);
    }
    if writer.offset < layer.size {
        let message = format!(
            "the blob {} ended after {} of {} bytes",
            layer.digest, writer.offset, layer.size
        );
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    Ok(())
}

/// Writes and hashes on a thread of its own, while more is on its way. When it is dropped the thread writes what it has
/// been given and ends; what is there waits for the next to want it.
struct Writer {
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<Result<Download>>,
    /// Bytes that are here, or ordered to be written.
    offset: u64,
}

enum Order {
    Write(Bytes),
    Restart,
}

impl Writer {
    fn start(mut download: Download) -> Self {
        let (orders, mut given) = mpsc::channel(AHEAD);
        let offset = download.offset();
        let thread = tokio::task::spawn_blocking(move || {
            while let Some(order) = given.blocking_recv() {
                match order {
                    Order::Write(bytes) => download.write(&bytes)?,
                    Order::Restart => download.restart()?,
                }
            }
            Ok(download)
        });
        Self {
            orders,
            thread,
            offset,
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        self.order(Order::Write(bytes)).await
    }

    async fn restart(&mut self) -> Result<()> {
        self.offset = 0;
        self.order(Order::Restart).await
    }

    /// What the thread has ended for is told to whoever orders something next, which is then the last.
    async fn order(&mut self, order: Order) -> Result<()> {
        if self.orders.send(order).await.is_ok() {
            return Ok(());
        }
        match (&mut self.thread).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) => Err(failed(
                "a layer cannot be written",
                std::io::ErrorKind::BrokenPipe,
            )),
            Err(error) => Err(failed("a layer cannot be written", error)),
        }
    }

    /// Verifies the whole.
    async fn finish(self) -> Result<File> {
        drop(self.orders);
        let written = self
            .thread
            .await
            .map_err(|e| failed("a layer cannot be written", e))?;
        let download = written?;
        blocking(move || download.finish()).await
    }
}

//! Bytes in pieces.

use std::time::Duration;

use fastrand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::sleep;

use crate::fault::Pieces;

/// Writes in pieces.
#[derive(Default)]
pub(super) struct Writer {
    /// How many bytes went one by one.
    single: usize,
    rng: Option<Rng>,
    /// What waits to be sent with what comes next; nothing once it was.
    kept: Vec<u8>,
    is_glued: bool,
}

impl Writer {
    pub(super) async fn write(
        &mut self,
        bytes: &[u8],
        pieces: Pieces,
        to: &mut OwnedWriteHalf,
    ) -> std::io::Result<()> {
        match pieces {
            Pieces::Whole => to.write_all(bytes).await,
            Pieces::Single(count) => {
                let (single, rest) = bytes.split_at(bytes.len().min(count.saturating_sub(self.single)));
                self.single += single.len();
                for byte in single {
                    to.write_all(&[*byte]).await?;
                    // Nothing waits for what is sent next.
                    sleep(Duration::from_micros(500)).await;
                }
                to.write_all(rest).await
            }
            Pieces::Random(seed) => self.write_at_random(bytes, seed, to).await,
            Pieces::Glued => {
                self.kept.extend_from_slice(bytes);
                self.is_glued |= !waits(&self.kept);
                if self.is_glued {
                    self.flush(to).await?;
                }
                Ok(())
            }
        }
    }

    async fn write_at_random(
        &mut self,
        mut bytes: &[u8],
        seed: u64,
        to: &mut OwnedWriteHalf,
    ) -> std::io::Result<()> {
        let rng = self.rng.get_or_insert_with(|| Rng::with_seed(seed));
        while !bytes.is_empty() {
            let scale = rng.u32(..15);
            let size = rng.usize(1..=1 << scale).min(bytes.len());
            let (piece, rest) = bytes.split_at(size);
            to.write_all(piece).await?;
            bytes = rest;
            if rng.u8(..8) == 0 {
                sleep(Duration::from_micros(rng.u64(..2000))).await;
            }
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self, to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        to.write_all(&std::mem::take(&mut self.kept)).await
    }
}

/// Whether this is the beginning of the answer to a `CONNECT` and no line after it.
fn waits(kept: &[u8]) -> bool {
    const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n";
    let text = String::from_utf8_lossy(kept);
    kept.starts_with(ESTABLISHED)
        && text
            .split_once("\r\n\r\n")
            .is_none_or(|(_, tunnelled)| !tunnelled.contains('\n'))
}

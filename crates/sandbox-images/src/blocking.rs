//! Work that blocks, for those who must not.

use crate::Result;
use crate::store::failed;

/// Does it on a thread where it may block. Dropping the future leaves it to end by itself.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(failed("work on the image store was broken off", error)),
    }
}

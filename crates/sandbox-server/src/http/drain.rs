//! Bodies nobody has read to their end.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::timeout;

/// How long is read in vain. The time alone bounds it: whoever sends fast is told the sooner, and a file of some
/// gigabytes that is too large is no less entitled to the answer than one of some megabytes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request's body, of which a handler reads as much as it needs and this keeps the rest.
///
/// Most clients read an answer only after they have sent their whole body; a connection that is closed before is a
/// failure to them, whatever the answer says. So what a refused request has left is read, within bounds.
#[derive(Debug, Clone)]
pub(super) struct Drain(Arc<Mutex<Body>>);

impl Drain {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// What the handler reads.
    pub(super) fn body(&self) -> Body {
        Body::new(self.clone())
    }

    /// Reads what is left.
    pub(super) async fn finish(mut self) {
        let reading = async { while let Some(Ok(_)) = self.frame().await {} };
        // Whoever takes longer has to do without an answer.
        let _ = timeout(PATIENCE, reading).await;
    }

    fn lock(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for Drain {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

//! What a form is read from.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use bytes::Bytes;
use futures_util::Stream;

/// How many bytes of a form may come before its file.
pub(super) const HEAD_LIMIT: usize = 1 << 20;

/// A form's body, for a reader that takes all there is before it hands any of it on, and keeps what it has until it has
/// found the beginning of a part: it gets one piece at a time, and no more than so much before the file.
pub(super) struct FormBody {
    pieces: BodyDataStream,
    head: Head,
    /// The reader has a piece to work on.
    fed: bool,
}

/// How much may still come before the file begins.
#[derive(Debug, Clone)]
pub(super) struct Head(Arc<AtomicUsize>);

/// The form's file does not begin soon enough.
#[derive(Debug, thiserror::Error)]
#[error("the file does not begin within {HEAD_LIMIT} bytes")]
pub(super) struct TooLong;

impl FormBody {
    /// Puts itself between a request's body and its reader.
    pub(super) fn of(request: Request) -> (Request, Head) {
        let head = Head(Arc::new(AtomicUsize::new(HEAD_LIMIT)));
        let request = request.map(|body| {
            Body::from_stream(Self {
                pieces: body.into_data_stream(),
                head: head.clone(),
                fed: false,
            })
        });
        (request, head)
    }
}

impl Head {
    /// The file begins; how long it may be is somebody else's concern.
    pub(super) fn end(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self, bytes: usize) -> Result<(), TooLong> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(bytes);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 { Err(TooLong) } else { Ok(()) }
    }
}

impl Stream for FormBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.fed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(Pin::new(&mut self.pieces).poll_next(context));
        self.fed = true;
        Poll::Ready(piece.map(|piece| {
            let piece = piece?;
            self.head.take(piece.len()).map_err(axum::Error::new)?;
            Ok(piece)
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;

    fn body(sizes: Vec<usize>) -> (BodyDataStream, Head) {
        let pieces = sizes
            .into_iter()
            .map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![0; size])));
        let request = Request::new(Body::from_stream(stream::iter(pieces)));
        let (request, head) = FormBody::of(request);
        (request.into_body().into_data_stream(), head)
    }

    #[tokio::test]
    async fn pieces_come_one_at_a_time() {
        let (mut body, _) = body(vec![1, 2]);
        assert_eq!(body.next().now_or_never().unwrap().unwrap().unwrap().len(), 1);
        assert!(body.next().now_or_never().is_none());
        assert_eq!(body.next().await.unwrap().unwrap().len(), 2);
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn only_what_comes_before_the_file_is_bounded() {
        let (mut body, head) = body(vec![HEAD_LIMIT - 1, HEAD_LIMIT]);
        assert!(body.next().await.unwrap().is_ok());
        head.end();
        assert!(body.next().await.unwrap().is_ok() && !head.is_too_long());

        let (mut body, head) = self::body(vec![HEAD_LIMIT - 1, 1]);
        assert!(body.next().await.unwrap().is_ok());
        assert!(body.next().await.unwrap().is_err() && head.is_too_long());
    }
}

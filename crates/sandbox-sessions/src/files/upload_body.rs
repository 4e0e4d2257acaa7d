use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::content::{BoxError, Pieces, Source};
use super::{FileContent, Progress};

/// How much is given to the network at once. Progress is seen only between two pieces.
const PIECE: usize = 64 << 10;

/// A file's content on its way out, and the one that tells its [`Progress`].
pub(crate) struct UploadBody {
    content: Content,
    /// How much is still to come, if that is known.
    left: Option<u64>,
    progress: Arc<Progress>,
}

enum Content {
    Bytes(Bytes),
    Pieces(Pieces),
}

impl UploadBody {
    /// # Errors
    ///
    /// When the file cannot be examined.
    pub(crate) async fn new(content: FileContent) -> io::Result<Self> {
        let (content, left) = match content.0 {
            Source::Bytes(bytes) => {
                let length = bytes.len() as u64;
                (Content::Bytes(bytes), Some(length))
            }
            Source::Stream { pieces, length } => (Content::Pieces(pieces), length),
            Source::File(file) => {
                let (pieces, length) = read(file).await?;
                (Content::Pieces(pieces), length)
            }
        };
        Ok(Self {
            content,
            left,
            progress: Arc::new(Progress::new()),
        })
    }

    /// The same content from the beginning, if it can be had twice. Both tell the same progress.
    pub(crate) fn again(&self) -> Option<Self> {
        match &self.content {
            Content::Bytes(bytes) => Some(Self {
                content: Content::Bytes(bytes.clone()),
                left: self.left,
                progress: self.progress.clone(),
            }),
            Content::Pieces(_) => None,
        }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    fn fail(&self, error: BoxError) -> io::Error {
        self.progress.content_failed(error);
        // What went wrong is kept in `progress`; this only tells HTTP to give up.
        io::Error::other("the content failed")
    }

    /// Keeps what is sent to what was announced.
    fn count(&mut self, piece: Option<&Bytes>) -> Result<(), BoxError> {
        let Some(left) = &mut self.left else { return Ok(()) };
        match piece {
            Some(piece) => match left.checked_sub(piece.len() as u64) {
                Some(rest) => *left = rest,
                None => return Err("it is longer than was announced".into()),
            },
            None if *left > 0 => return Err(format!("it ended {left} bytes too early").into()),
            None => {}
        }
        Ok(())
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = &mut *self;
        let piece = match &mut body.content {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(bytes.split_to(bytes.len().min(PIECE))))),
            Content::Pieces(pieces) => {
                let pieces = pieces.get_mut().unwrap_or_else(PoisonError::into_inner);
                pieces.as_mut().poll_next(context)
            }
        };
        let Poll::Ready(piece) = piece else {
            body.progress.network_is_idle();
            return Poll::Pending;
        };
        body.progress.network_is_busy();
        let piece = piece
            .transpose()
            .and_then(|piece| body.count(piece.as_ref()).map(|()| piece));
        Poll::Ready(match piece {
            Ok(piece) => piece.map(|piece| Ok(Frame::data(piece))),
            Err(error) => Some(Err(body.fail(error))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The rest of a file, and how long it is if it is a regular one.
async fn read(mut file: tokio::fs::File) -> io::Result<(Pieces, Option<u64>)> {
    let metadata = file.metadata().await?;
    // Files such as those in /proc say that they are empty when they are not.
    let length = if metadata.is_file() && metadata.len() > 0 {
        let position = file.stream_position().await?;
        Some(metadata.len().saturating_sub(position))
    } else {
        None
    };
    file.set_max_buf_size(PIECE);
    let pieces =
        ReaderStream::with_capacity(file.take(length.unwrap_or(u64::MAX)), PIECE).map_err(BoxError::from);
    let pieces: Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>> = Box::pin(pieces);
    Ok((Mutex::new(pieces), length))
}

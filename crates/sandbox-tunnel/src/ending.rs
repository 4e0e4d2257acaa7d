//! The end of a stream, told to whoever waits for an answer on it.
//!
//! The SFTP library fails the requests that wait when its stream ends, but for a moment more it takes further ones, which
//! would wait for their time-out. The natural next request, after one has failed, falls into that moment.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use russh_sftp::client::error::Error as SftpError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// Whether the stream has ended that an [`Ending::of`] was made with.
#[derive(Clone)]
pub(crate) struct Ending(CancellationToken);

impl Ending {
    pub(crate) fn of<S>(stream: S) -> (Watched<S>, Self) {
        let ended = CancellationToken::new();
        let watched = Watched {
            stream,
            ended: Some(ended.clone().drop_guard()),
        };
        (watched, Self(ended))
    }

    /// What a call answers, or that the stream has ended before it could. All that came before the end is taken in
    /// before the end is told, so no answer is missed.
    pub(crate) async fn or<T>(
        &self,
        call: impl Future<Output = Result<T, SftpError>>,
    ) -> Result<T, SftpError> {
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.0.cancelled() => Err(ended()),
        }
    }

    pub(crate) fn awaited(&self) -> AwaitedEnd {
        AwaitedEnd(Box::pin(self.0.clone().cancelled_owned()))
    }
}

/// The end of a stream, for who polls.
pub(crate) struct AwaitedEnd(Pin<Box<WaitForCancellationFutureOwned>>);

impl AwaitedEnd {
    /// As [`Ending::or`].
    pub(crate) fn or<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            ready!(self.0.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::other(ended())));
        }
        polled
    }
}

fn ended() -> SftpError {
    SftpError::UnexpectedBehavior("the connection has ended".to_owned())
}

/// A stream that tells of its end.
pub(crate) struct Watched<S> {
    stream: S,
    /// Dropping it tells; so does dropping the stream.
    ended: Option<DropGuard>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if read.is_err() || (buffer.filled().len() == before && buffer.remaining() > 0) {
            self.ended = None;
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

//! A TCP connection made by the server.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use russh::ChannelMsg;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::channel::{Receiver, Sender};

/// A TCP connection that the server has made, as [`SshClient::connect_tcp`](crate::SshClient::connect_tcp) asked it to.
///
/// The end of one direction leaves the other open. When the server has closed the connection, writing fails, also a write
/// that was waiting for the server to take more. Dropping it closes the connection at once; to wait until everything has
/// arrived there is [`closed`](Self::closed).
///
/// ```no_run
/// # async fn example(client: sandbox_tunnel::SshClient) -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
/// let (mut here, _) = listener.accept().await?;
/// let mut there = client.connect_tcp("127.0.0.1", 8000).await?;
/// tokio::io::copy_bidirectional(&mut here, &mut there).await?;
/// # Ok(())
/// # }
/// ```
pub struct TcpChannel {
    to_server: Pin<Box<dyn AsyncWrite + Send + Sync>>,
    from_server: mpsc::Receiver<Bytes>,
    /// What was received and not read yet.
    current: Bytes,
    /// The library makes who writes wait for a window that a closed channel never gets.
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    receiving: JoinHandle<()>,
    /// Closes the channel when it is dropped, and keeps the connection alive.
    sender: Sender,
}

impl TcpChannel {
    pub(crate) fn new((sender, receiver): (Sender, Receiver)) -> Self {
        let (pieces, from_server) = mpsc::channel(1);
        Self {
            to_server: Box::pin(sender.half().make_writer()),
            from_server,
            current: Bytes::new(),
            ended: Box::pin(sender.end().cancelled_owned()),
            receiving: tokio::spawn(receive(receiver, pieces)),
            sender,
        }
    }

    /// Waits until the server has closed the connection, which it does when both directions have ended and everything
    /// that was written has gone where it should. Dropping the channel before may lose the last of it.
    ///
    /// ```no_run
    /// use tokio::io::copy_bidirectional;
    ///
    /// # async fn example(
    /// #     mut here: tokio::net::TcpStream,
    /// #     mut there: sandbox_tunnel::TcpChannel,
    /// # ) -> std::io::Result<()> {
    /// let closed = there.closed();
    /// copy_bidirectional(&mut here, &mut there).await?;
    /// closed.await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.sender.end().cancelled_owned()
    }

    /// Fails once the channel has ended; wakes the task when it does.
    fn check_open(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the server has closed the connection",
            )),
            Poll::Pending => Ok(()),
        }
    }
}

/// Hands over what comes, and after the end of that goes on to the end of the channel. Waits while nobody reads.
async fn receive(mut receiver: Receiver, pieces: mpsc::Sender<Bytes>) {
    let mut pieces = Some(pieces);
    while let Some(message) = receiver.next().await {
        match (message, &pieces) {
            (ChannelMsg::Data { data }, Some(reader)) => {
                // Dropped with this task only.
                let _ = reader.send(data).await;
            }
            (ChannelMsg::Eof, _) => pieces = None,
            _ => {}
        }
    }
}

impl AsyncRead for TcpChannel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.from_server.poll_recv(cx)) {
                Some(bytes) => self.current = bytes,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.current.len().min(buf.remaining());
        buf.put_slice(self.current.get(..count).unwrap_or_default());
        self.current.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TcpChannel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            // The library takes it for the end.
            return Poll::Ready(Ok(0));
        }
        self.check_open(cx)?;
        self.to_server.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_server.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to_server.as_mut().poll_shutdown(cx)
    }
}

impl Drop for TcpChannel {
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

impl fmt::Debug for TcpChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpChannel").finish_non_exhaustive()
    }
}

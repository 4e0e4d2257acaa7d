//! A TCP connection made by the server.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use russh::{ChannelStream, client::Msg};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::SshClient;

/// A TCP connection that the server has made, as [`SshClient::connect_tcp`] asked it to.
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
    stream: ChannelStream<Msg>,
    // Keeps the connection alive.
    _client: SshClient,
}

impl TcpChannel {
    pub(crate) fn new(client: &SshClient, stream: ChannelStream<Msg>) -> Self {
        Self {
            stream,
            _client: client.clone(),
        }
    }
}

impl AsyncRead for TcpChannel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpChannel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            // The library takes it for the end.
            return Poll::Ready(Ok(0));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl fmt::Debug for TcpChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpChannel").finish_non_exhaustive()
    }
}

//! Standard input and output as one stream whose calls block.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use rustix::io::{read, retry_on_intr, write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::contents::{Contents, Head};

/// Small requests are read together, the data of large ones past this.
const READ_AHEAD: usize = 4 << 10;

/// For a process that does nothing else: to ask whether there is something to read costs as much as to wait for it.
///
/// Who reads gets whole packets, but for those that [`Contents`] answers on the way.
pub(super) struct Stdio {
    input: OwnedFd,
    output: OwnedFd,
    ahead: BytesMut,
    contents: Contents,
    /// What is to come of the packet that is being read.
    left: u64,
}

impl Stdio {
    pub(super) fn new(contents: Contents) -> io::Result<Self> {
        Ok(Self {
            input: io::stdin().as_fd().try_clone_to_owned()?,
            output: io::stdout().as_fd().try_clone_to_owned()?,
            ahead: BytesMut::new(),
            contents,
            left: 0,
        })
    }

    /// Goes to the next packet that is for the library, or to the end.
    fn next(&mut self) -> io::Result<()> {
        loop {
            match Head::of(&self.ahead) {
                Some(Head::Other(length)) => {
                    self.left = length;
                    return Ok(());
                }
                Some(Head::Contents(request, head)) => {
                    self.ahead.advance(head);
                    let (input, output) = (self.input.as_fd(), self.output.as_fd());
                    self.contents.serve(&request, input, &mut self.ahead, output)?;
                }
                None if !self.read_ahead()? => {
                    // It ends in the middle of a head at most, which the library may see.
                    self.left = self.ahead.len() as u64;
                    return Ok(());
                }
                None => {}
            }
        }
    }

    /// Reads what fits; `false` at the end.
    fn read_ahead(&mut self) -> io::Result<bool> {
        let mut bytes = [0; READ_AHEAD];
        let count = retry_on_intr(|| read(&self.input, &mut bytes))?;
        self.ahead
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(count > 0)
    }
}

impl AsyncRead for Stdio {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // An answer that cannot be sent is the end: the library would go on reading after an error.
        if this.left == 0 && this.next().is_err() {
            return Poll::Ready(Ok(()));
        }
        let most = usize::try_from(this.left)
            .unwrap_or(usize::MAX)
            .min(buf.remaining());
        let count = if this.ahead.is_empty() {
            let unfilled = buf.initialize_unfilled_to(most);
            let count = retry_on_intr(|| read(&this.input, &mut *unfilled))?;
            buf.advance(count);
            count
        } else {
            let count = this.ahead.len().min(most);
            buf.put_slice(&this.ahead.split_to(count));
            count
        };
        this.left -= count as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(retry_on_intr(|| write(&self.output, bytes)).map_err(Into::into))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

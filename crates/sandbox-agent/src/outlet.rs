//! The way from a command's output to the peer.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use russh::{ChannelWriteHalf, Sig, server};
use sandbox_isolation::ExitStatus;
use sandbox_tunnel::{HOLD, RESUME, transport::Backlog};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
    task::unconstrained,
};
use tokio_util::sync::CancellationToken;

use crate::{flow::Flow, signal};

/// Bytes read and sent at once: whole pages that fit into the largest packet.
pub(crate) const PIECE: usize = 60 << 10;

/// What is sent at most after a pump was told to stop: more than any pipe or terminal holds, for somebody may
/// go on writing to it.
const LEFTOVER: usize = 1 << 20;

/// SSH's number for standard error among the "extended data" of a channel.
const STDERR: u32 = 1;

/// The sending half of a channel, with all that bounds it.
pub(crate) struct Outlet {
    pub(crate) half: ChannelWriteHalf<server::Msg>,
    pub(crate) session: server::Handle,
    pub(crate) backlog: Backlog,
    pub(crate) flow: Arc<Flow>,
    /// Whether the peer has asked for no more output for now.
    pub(crate) held: watch::Sender<bool>,
    /// Cancelled when the peer closed the channel or the connection is gone.
    pub(crate) closed: CancellationToken,
}

/// Where in the channel bytes go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The channel takes nothing any more.
pub(crate) struct Closed;

impl Outlet {
    /// Sends all that `reader` gives until it ends or the channel does. Reads no faster than the peer takes.
    ///
    /// Once `stop` is cancelled it does not wait for more: what is there by then is sent, and that is all.
    pub(crate) async fn pump(
        &self,
        mut reader: impl AsyncRead + Unpin,
        stream: Stream,
        stop: &CancellationToken,
    ) {
        let sending = async {
            let mut buffer = BytesMut::new();
            let mut leftover = 0;
            while leftover < LEFTOVER {
                buffer.reserve(PIECE);
                let count = tokio::select! {
                    biased;
                    // A terminal ends with an error when its last user is gone. Unconstrained, for a read
                    // that is put off in favour of other tasks would look like nothing left to read.
                    read = unconstrained(reader.read_buf(&mut buffer)) => read.unwrap_or(0),
                    () = stop.cancelled() => 0,
                };
                if count == 0 || self.send(buffer.split().freeze(), stream).await.is_err() {
                    return;
                }
                if stop.is_cancelled() {
                    leftover += count;
                }
            }
        };
        self.closed.run_until_cancelled(sending).await;
    }

    /// Whether this signal is none for a program but for us: to send no more output for now, or to go on.
    pub(crate) fn hold_if_asked(&self, signal: &Sig) -> bool {
        let held = match signal {
            Sig::Custom(name) if name == HOLD => true,
            Sig::Custom(name) if name == RESUME => false,
            _ => return false,
        };
        self.held.send_replace(held);
        true
    }

    async fn send(&self, mut bytes: Bytes, stream: Stream) -> Result<(), Closed> {
        while !bytes.is_empty() {
            // Not for ever: its sender is this.
            let _ = self.held.subscribe().wait_for(|held| !held).await;
            let window = self.half.writable_packet_size().await;
            if window == 0 {
                // Waits for an adjustment that may stand behind much input: let it be read. Nothing is
                // reserved meanwhile, or channels without window would take the room of those that have some.
                let _starved = self.flow.starve();
                self.pass(bytes.split_to(bytes.len().min(PIECE)), stream).await?;
            } else {
                let piece = bytes.split_to(bytes.len().min(window));
                let _reservation = self.backlog.reserve(PIECE).await.map_err(|_| Closed)?;
                self.pass(piece, stream).await?;
            }
        }
        Ok(())
    }

    async fn pass(&self, piece: Bytes, stream: Stream) -> Result<(), Closed> {
        match stream {
            Stream::Stdout => self.half.data_bytes(piece).await,
            Stream::Stderr => self.half.extended_data_bytes(STDERR, piece).await,
        }
        .map_err(|_| Closed)
    }

    /// Tells the peer something on the command's standard error.
    pub(crate) async fn complain(&self, message: impl Into<Bytes>) {
        let _ = self
            .closed
            .run_until_cancelled(self.send(message.into(), Stream::Stderr))
            .await;
    }

    /// Reports how the command ended, then ends the channel. All output has to be sent before.
    pub(crate) async fn report(&self, status: ExitStatus, message: &str) {
        match status {
            ExitStatus::Code(code) => {
                let _ = self.half.exit_status(u32::from(code)).await;
            }
            ExitStatus::Signal(signal) => {
                let name = signal::reported(signal);
                let id = self.half.id();
                // The same queue as the half's, so the order is kept.
                let _ = self
                    .session
                    .exit_signal_request(id, name, false, message.to_owned(), String::new())
                    .await;
            }
        }
        self.end().await;
    }

    /// Says that no output follows, then ends the channel.
    async fn end(&self) {
        let _ = self.half.eof().await;
        let _ = self.half.close().await;
    }
}

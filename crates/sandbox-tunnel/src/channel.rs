//! One SSH session channel: opened within a time, closed when dropped.

use std::sync::Arc;

use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};
use tokio::{runtime::Handle, time::timeout};

use crate::{Error, ErrorKind, Phase, SshClient};

/// The sending side. Closes the channel when the last clone is dropped, which tells the server to end what
/// runs there.
#[derive(Clone)]
pub(crate) struct Sender(Arc<Open>);

struct Open {
    // Keeps the connection alive for as long as the channel is in use.
    client: SshClient,
    half: Arc<ChannelWriteHalf<Msg>>,
    runtime: Handle,
}

/// The receiving side.
pub(crate) struct Receiver(ChannelReadHalf);

pub(crate) async fn open(client: &SshClient) -> Result<(Sender, Receiver), Error> {
    let (reader, writer) = client.open_channel().await?.split();
    let open = Open {
        client: client.clone(),
        half: Arc::new(writer),
        runtime: Handle::current(),
    };
    Ok((Sender(Arc::new(open)), Receiver(reader)))
}

impl Sender {
    pub(crate) fn client(&self) -> &SshClient {
        &self.0.client
    }

    pub(crate) fn half(&self) -> &ChannelWriteHalf<Msg> {
        &self.0.half
    }

    /// Awaits the answers to `count` requests, in the given time and phase.
    pub(crate) async fn replies(
        &self,
        receiver: &mut Receiver,
        count: usize,
        phase: Phase,
    ) -> Result<(), Error> {
        let replies = async {
            for _ in 0..count {
                receiver.reply(phase).await?;
            }
            Ok(())
        };
        let limit = self.client().timeouts().start;
        timeout(limit, replies)
            .await
            .unwrap_or_else(|_| Err(Error::new(phase, ErrorKind::TimedOut)))
    }
}

impl Receiver {
    pub(crate) async fn next(&mut self) -> Option<ChannelMsg> {
        self.0.wait().await
    }

    async fn reply(&mut self, phase: Phase) -> Result<(), Error> {
        loop {
            match self.next().await {
                Some(ChannelMsg::Success) => return Ok(()),
                Some(ChannelMsg::Failure) => return Err(Error::new(phase, ErrorKind::Refused)),
                Some(ChannelMsg::Close) | None => return Err(Error::new(phase, ErrorKind::Disconnected)),
                // A server sends nothing else that matters before its answer.
                Some(_) => {}
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let half = Arc::clone(&self.half);
        // Closing twice is harmless: the session ignores channels it does not know.
        let client = self.client.clone();
        self.runtime.spawn(async move {
            let _ = half.close().await;
            drop(client);
        });
    }
}

//! One SSH channel: opened within a time, closed when dropped.

use std::sync::Arc;

use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client::Msg};
use tokio::{runtime::Handle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, ErrorKind, Phase, SshClient,
    unread::{RESUME, Unread},
};

/// The sending side. Closes the channel when the last clone is dropped, which tells the server to end what
/// runs there.
#[derive(Clone)]
pub(crate) struct Sender(Arc<Open>);

struct Open {
    // Keeps the connection alive for as long as the channel is in use.
    client: SshClient,
    half: Arc<ChannelWriteHalf<Msg>>,
    runtime: Handle,
    ended: CancellationToken,
}

/// The receiving side. It goes on receiving after it was dropped, for nobody but the sender, who has to learn of the
/// end: the library makes whoever sends wait for window that never comes.
pub(crate) struct Receiver {
    /// `None` while it is dropped.
    half: Option<ChannelReadHalf>,
    meter: Meter,
    ended: CancellationToken,
}

/// Counts what is read, and asks for more where that is due.
#[derive(Clone)]
struct Meter {
    unread: Arc<Unread>,
    /// Does not keep the channel open.
    writer: Arc<ChannelWriteHalf<Msg>>,
    runtime: Handle,
}

pub(crate) async fn open(client: &SshClient) -> Result<(Sender, Receiver), Error> {
    Ok(halves(client, client.open_channel().await?))
}

/// The two sides of a channel that was just opened.
pub(crate) fn halves(client: &SshClient, channel: Channel<Msg>) -> (Sender, Receiver) {
    let unread = client.channels().open(channel.id().number());
    let (reader, writer) = channel.split();
    let writer = Arc::new(writer);
    let (runtime, ended) = (Handle::current(), CancellationToken::new());
    let receiver = Receiver {
        half: Some(reader),
        meter: Meter {
            unread,
            writer: writer.clone(),
            runtime: runtime.clone(),
        },
        ended: ended.clone(),
    };
    let open = Open {
        client: client.clone(),
        half: writer,
        runtime,
        ended,
    };
    (Sender(Arc::new(open)), receiver)
}

impl Sender {
    pub(crate) fn client(&self) -> &SshClient {
        &self.0.client
    }

    pub(crate) fn half(&self) -> &ChannelWriteHalf<Msg> {
        &self.0.half
    }

    /// Told when the channel has ended: by its receiver, which has to go on receiving for that.
    pub(crate) fn end(&self) -> CancellationToken {
        self.0.ended.clone()
    }

    /// Waits until the channel, or the connection, has ended.
    pub(crate) async fn ended(&self) {
        tokio::select! {
            () = self.0.ended.cancelled() => {}
            () = self.client().backlog().ended() => {}
        }
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

impl Meter {
    /// Does not wait, or a message would be lost with the
    /// future that receives it.
    fn read(&self, message: &ChannelMsg) {
        let (ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) = message else {
            return;
        };
        if self.unread.read(data.len()) {
            let writer = self.writer.clone();
            self.runtime.spawn(async move {
                // That the connection is lost is told by what is received.
                let _ = writer.signal(Sig::Custom(RESUME.to_owned())).await;
            });
        }
    }
}

impl Receiver {
    pub(crate) async fn next(&mut self) -> Option<ChannelMsg> {
        let message = receive(self.half.as_mut()?).await;
        if let Some(message) = &message {
            self.meter.read(message);
        }
        if message.is_none() {
            self.ended.cancel();
        }
        message
    }

    async fn reply(&mut self, phase: Phase) -> Result<(), Error> {
        loop {
            match self.next().await {
                Some(ChannelMsg::Success) => return Ok(()),
                Some(ChannelMsg::Failure) => return Err(Error::new(phase, ErrorKind::Refused)),
                None => return Err(Error::new(phase, ErrorKind::Disconnected)),
                // A server sends nothing else that matters before its answer.
                Some(_) => {}
            }
        }
    }
}

/// The next message; `None` for the last one, which says that the channel is closed.
async fn receive(half: &mut ChannelReadHalf) -> Option<ChannelMsg> {
    half.wait()
        .await
        .filter(|message| !matches!(message, ChannelMsg::Close))
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let (Some(mut half), false) = (self.half.take(), self.ended.is_cancelled()) else {
            return;
        };
        let (meter, ended) = (self.meter.clone(), self.ended.clone());
        // Ends with the channel, which is closed when the last sender is dropped, too.
        self.meter.runtime.spawn(async move {
            while let Some(message) = receive(&mut half).await {
                meter.read(&message);
            }
            ended.cancel();
        });
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

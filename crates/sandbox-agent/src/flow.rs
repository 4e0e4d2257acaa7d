//! How fast a connection is read.
//!
//! russh grants a peer new window as soon as data arrives, read or not, so a command that does not read its
//! standard input does not hold its peer back. The only thing that does is the socket: while much is queued
//! we read it slowly. Slowly, not never, for window adjustments, closes and keepalives travel on the same
//! socket.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use sandbox_tunnel::transport::WriteBehind;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Bytes a peer may send on one channel before we acknowledge any.
pub(crate) const WINDOW: u32 = 2 << 20;

/// Bytes of data in one packet: with twice the usual 32 KiB, what a packet costs beside its bytes is paid half as often.
/// The library holds more for a mistake.
pub(crate) const MAX_PACKET: u32 = 65535;

/// The window granted while too much is queued. Never less: a window of one byte is never adjusted again.
const CRAWL_WINDOW: u32 = 4096;

/// Queued bytes beyond which reading slows down, with one channel and with several. One channel alone has
/// nobody to disturb; of several, one that does not read must not slow down the others soon.
pub(crate) const MARK_ALONE: usize = 256 << 10;
pub(crate) const MARK_SHARED: usize = 16 << 20;

/// The pace of slow reading.
const TICK: Duration = Duration::from_millis(250);
const TICK_BYTES: i64 = 4096;

/// What may be read at full speed when slowness begins or when an output waits for window: what the peer
/// already has under way stands before the control message we hope for. Twice the window, for it was renewed
/// on receipt.
pub(crate) const CREDIT: i64 = 2 * WINDOW as i64 + (256 << 10);

/// Queued bytes of all connections together, beyond which a channel that sends more is ended.
const TOTAL_LIMIT: usize = 128 << 20;

/// Counts what is queued on one connection.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    queued: AtomicUsize,
    channels: AtomicUsize,
    starved: AtomicUsize,
    credit: AtomicI64,
    reader: Mutex<Option<Waker>>,
    total: Arc<Total>,
}

/// Counts what is queued on all connections.
#[derive(Debug, Default)]
pub(crate) struct Total(AtomicUsize);

/// While it lives, an output waits for window.
pub(crate) struct Starved<'a>(&'a Flow);

/// While it lives, a channel counts as one of its connection.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Flow>);

impl Flow {
    pub(crate) fn new(total: Arc<Total>) -> Arc<Self> {
        Arc::new(Self {
            credit: AtomicI64::new(CREDIT),
            total,
            ..Self::default()
        })
    }

    pub(crate) fn open_channel(self: &Arc<Self>) -> Counted {
        self.channels.fetch_add(1, Relaxed);
        Counted(Arc::clone(self))
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels.load(Relaxed)
    }

    /// Counts bytes just queued; `false` (and nothing counted) if that would be too many.
    pub(crate) fn queue(&self, bytes: usize) -> bool {
        if self.total.0.fetch_add(bytes, Relaxed) + bytes > TOTAL_LIMIT {
            self.total.0.fetch_sub(bytes, Relaxed);
            return false;
        }
        self.queued.fetch_add(bytes, Relaxed);
        true
    }

    /// Counts bytes that left a queue.
    pub(crate) fn unqueue(&self, bytes: usize) {
        self.total.0.fetch_sub(bytes, Relaxed);
        self.queued.fetch_sub(bytes, Relaxed);
        if !self.is_over() {
            self.wake_reader();
        }
    }

    /// Says that an output waits for the peer to grant window.
    pub(crate) fn starve(&self) -> Starved<'_> {
        if self.starved.fetch_add(1, Relaxed) == 0 {
            self.credit.store(CREDIT, Relaxed);
            self.wake_reader();
        }
        Starved(self)
    }

    /// The window to grant next.
    pub(crate) fn window(&self) -> u32 {
        if self.is_over() { CRAWL_WINDOW } else { WINDOW }
    }

    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Relaxed)
    }

    fn is_over(&self) -> bool {
        let mark = if self.channels() > 1 {
            MARK_SHARED
        } else {
            MARK_ALONE
        };
        self.queued.load(Relaxed) > mark
    }

    fn is_slow(&self) -> bool {
        self.is_over() && self.credit.load(Relaxed) <= 0
    }

    fn read(&self, bytes: usize) {
        if self.is_over() {
            self.credit
                .fetch_sub(i64::try_from(bytes).unwrap_or(i64::MAX), Relaxed);
        } else {
            self.credit.store(CREDIT, Relaxed);
        }
    }

    fn watch(&self, waker: &Waker) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    fn wake_reader(&self) {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for Starved<'_> {
    fn drop(&mut self) {
        self.0.starved.fetch_sub(1, Relaxed);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.channels.fetch_sub(1, Relaxed);
        self.0.wake_reader();
    }
}

/// A write-behind stream that is read at the pace its [`Flow`] sets, and not at all once shut down.
pub(crate) struct Paced<S> {
    stream: WriteBehind<S>,
    flow: Arc<Flow>,
    tick: Option<Pin<Box<Sleep>>>,
    shut_down: bool,
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: WriteBehind<S>, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            tick: None,
            shut_down: false,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Paced<S> {
    /// Ready when it is time to read.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.flow.is_slow() {
            self.flow.watch(cx.waker());
            // Who does not read has to push what is kept all the same.
            if let Poll::Ready(Err(error)) = self.stream.poll_push(cx) {
                return Poll::Ready(Err(error));
            }
            let tick = self.tick.get_or_insert_with(|| Box::pin(sleep(TICK)));
            ready!(tick.as_mut().poll(cx));
            self.tick = None;
            self.flow.credit.fetch_add(TICK_BYTES, Relaxed);
        }
        self.tick = None;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.shut_down {
            // russh waits for the peer to close, too. A peer that does not would keep the connection for
            // ever.
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_pace(cx))?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.flow.read(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down = true;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::timeout,
    };

    use super::*;

    /// What is read at full speed takes no time, and what is read slowly much more.
    const MOMENT: Duration = Duration::from_secs(5);

    // With its clock stopped, time passes only while nothing can be done.
    #[tokio::test(start_paused = true)]
    async fn reading_slows_down_over_the_mark_and_recovers() {
        let flow = Flow::new(Arc::default());
        let (mut peer, ours) = duplex(1 << 20);
        let mut ours = Paced::new(WriteBehind::new(ours), Arc::clone(&flow));
        let writing = tokio::spawn(async move { while peer.write_all(&[0; 64 << 10]).await.is_ok() {} });
        let mut buffer = vec![0; CREDIT as usize];
        assert!(flow.queue(MARK_ALONE + 1));
        assert_eq!(flow.window(), CRAWL_WINDOW);
        // Within the credit.
        timeout(MOMENT, ours.read_exact(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        let slow = timeout(MOMENT, ours.read_exact(&mut buffer)).await;
        assert!(slow.is_err(), "read {CREDIT} bytes more at full speed");
        // An output that waits for window lets the input pass, for the window may be in it.
        let starved = flow.starve();
        timeout(MOMENT, ours.read_exact(&mut buffer[..1 << 20]))
            .await
            .unwrap()
            .unwrap();
        drop(starved);
        flow.unqueue(MARK_ALONE + 1);
        assert_eq!(flow.window(), WINDOW);
        timeout(MOMENT, ours.read_exact(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        writing.abort();
    }

    #[test]
    fn several_channels_may_queue_more() {
        let flow = Flow::new(Arc::default());
        let first = flow.open_channel();
        assert!(flow.queue(MARK_ALONE + 1));
        assert_eq!(flow.window(), CRAWL_WINDOW);
        let second = flow.open_channel();
        assert_eq!(flow.window(), WINDOW);
        assert!(flow.queue(MARK_SHARED));
        assert_eq!(flow.window(), CRAWL_WINDOW);
        drop((first, second));
        assert_eq!(flow.channels(), 0);
    }
}

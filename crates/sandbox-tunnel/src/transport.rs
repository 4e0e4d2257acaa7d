//! A byte stream whose writes never wait.
//!
//! russh answers both directions of a connection from one task, which waits for its own writes. Two such
//! peers whose socket buffers are full wait for each other for ever. [`WriteBehind`] breaks the circle: what
//! the socket does not take at once is kept and pushed on by the next write *or read*, so the task always
//! comes back to reading.
//!
//! What is kept has to be bounded by whoever produces data, before it reaches the session: a producer takes a
//! [`Reservation`] from the [`Backlog`] for each piece it is about to hand over and waits there while too
//! much is kept.
//!
//! ```
//! use sandbox_tunnel::transport::WriteBehind;
//! use tokio::io::AsyncWriteExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (near, _far) = tokio::io::duplex(1024);
//! let mut stream = WriteBehind::new(near);
//! let backlog = stream.backlog();
//!
//! let piece = vec![0; 64 << 10];
//! let reservation = backlog.reserve(piece.len()).await?; // waits here while the peer reads nothing
//! stream.write_all(&piece).await?; // and never here
//! drop(reservation);
//! # Ok(())
//! # }
//! ```

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Sleep, sleep},
};

/// Bytes kept for a peer that does not read, beyond which writing fails, where nobody says otherwise. Only control
/// messages and data that was already granted a reservation add to it, so a peer has to try hard to get here.
const KEPT_LIMIT: usize = 64 << 20;

/// Kept and reserved bytes beyond which producers wait.
const PRODUCE_MARK: usize = 512 << 10;

/// How long a shutdown goes on pushing what is kept to a peer that does not read.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// A stream that keeps what its socket does not take; see the [module](self).
///
/// ```
/// use std::future::poll_fn;
/// use sandbox_tunnel::transport::WriteBehind;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (near, mut far) = tokio::io::duplex(4); // takes four bytes, until somebody reads them
/// let mut stream = WriteBehind::new(near);
/// let backlog = stream.backlog();
///
/// stream.write_all(b"hello world").await?; // does not wait for that
/// assert_eq!(backlog.kept(), 7);
///
/// let mut arrived = [0; 11];
/// let (pushed, read) = tokio::join!(poll_fn(|cx| stream.poll_push(cx)), far.read_exact(&mut arrived));
/// pushed?;
/// read?;
/// assert_eq!((&arrived, backlog.kept()), (b"hello world", 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WriteBehind<S> {
    stream: S,
    kept: BytesMut,
    limit: usize,
    backlog: Backlog,
    /// Runs while shutting down with bytes kept.
    patience: Option<Pin<Box<Sleep>>>,
}

/// How much a [`WriteBehind`] keeps; cheap to clone.
///
/// ```
/// use sandbox_tunnel::transport::WriteBehind;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let stream = WriteBehind::new(tokio::io::empty());
/// let backlog = stream.backlog();
/// assert_eq!(backlog.kept(), 0);
/// drop(backlog.reserve(1024).await?);
///
/// backlog.cut();
/// backlog.ended().await;
/// assert!(backlog.reserve(1024).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<State>);

#[derive(Debug, Default)]
struct State {
    kept: AtomicUsize,
    reserved: AtomicUsize,
    /// One waiter is woken at a time, and wakes the next when there is still room for it.
    room: Notify,
    cut: AtomicBool,
    ended: Notify,
    reader: Mutex<Option<Waker>>,
}

/// The right to hand a number of bytes to the session. Hold it until they are handed over.
///
/// ```
/// use std::time::Duration;
/// use sandbox_tunnel::transport::WriteBehind;
/// use tokio::time::timeout;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let stream = WriteBehind::new(tokio::io::empty());
/// let backlog = stream.backlog();
/// let much = backlog.reserve(1 << 20).await?;
/// assert!(timeout(Duration::from_millis(10), backlog.reserve(1)).await.is_err(), "has to wait");
///
/// drop(much);
/// backlog.reserve(1).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reservation {
    backlog: Backlog,
    bytes: usize,
}

impl<S> WriteBehind<S> {
    /// Wraps a stream. At most 64 MiB are kept.
    pub fn new(stream: S) -> Self {
        Self::with_limit(stream, KEPT_LIMIT)
    }

    /// Wraps a stream. What would make it keep more than `limit` bytes fails to be written.
    ///
    /// ```
    /// use sandbox_tunnel::transport::WriteBehind;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (near, _far) = tokio::io::duplex(1024);
    /// let mut stream = WriteBehind::with_limit(near, 4096);
    /// assert!(stream.write_all(&[0; 1024 + 4096]).await.is_ok());
    /// assert!(stream.write_all(b"x").await.is_err());
    /// # }
    /// ```
    pub fn with_limit(stream: S, limit: usize) -> Self {
        Self {
            stream,
            kept: BytesMut::new(),
            limit,
            backlog: Backlog::default(),
            patience: None,
        }
    }

    /// The view of this stream's backlog for those who produce data.
    pub fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.kept.len() + bytes.len() > self.limit {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read"));
        }
        self.kept.extend_from_slice(bytes);
        self.backlog.set_kept(self.kept.len());
        Ok(bytes.len())
    }
}

impl<S: AsyncWrite + Unpin> WriteBehind<S> {
    /// Hands kept bytes to the socket; ready when none are left. For a reader that does not want to read just
    /// now: [`AsyncRead::poll_read`] does it anyway.
    ///
    /// # Errors
    ///
    /// Those of the socket, and when the connection was [cut](Backlog::cut).
    pub fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.backlog.check()?;
        if self.kept.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.kept.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.kept))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.kept.advance(written);
            self.backlog.set_kept(self.kept.len());
        }
        // Give the memory back: backlogs are rare and can be large.
        self.kept = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WriteBehind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.backlog.watch(cx.waker());
        if let Poll::Ready(Err(error)) = self.poll_push(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteBehind<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_push(cx) {
            Poll::Ready(Ok(())) => match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                Poll::Pending => Poll::Ready(self.keep(bytes)),
                ready => ready,
            },
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(self.keep(bytes)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Not waiting is the point; reads go on pushing.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_push(cx) {
            Poll::Ready(result) => result?,
            Poll::Pending => {
                let patience = self
                    .patience
                    .get_or_insert_with(|| Box::pin(sleep(SHUTDOWN_PATIENCE)));
                ready!(patience.as_mut().poll(cx));
                self.backlog.cut();
            }
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> Drop for WriteBehind<S> {
    fn drop(&mut self) {
        // Nobody will ever make room again.
        self.backlog.cut();
    }
}

impl Backlog {
    /// Waits until little is kept, then reserves `bytes`.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn reserve(&self, bytes: usize) -> io::Result<Reservation> {
        while !self.has_room() {
            self.check()?;
            self.0.room.notified().await;
        }
        self.check()?;
        self.0.reserved.fetch_add(bytes, Relaxed);
        self.wake_next();
        Ok(Reservation {
            backlog: self.clone(),
            bytes,
        })
    }

    /// Bytes the socket has not taken yet.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.0.kept.load(Relaxed)
    }

    /// Ends the connection: reads, writes and reservations fail from now on.
    pub fn cut(&self) {
        self.0.cut.store(true, Relaxed);
        self.0.room.notify_one();
        self.0.ended.notify_waiters();
        let reader = self
            .0
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Waits until the stream has been dropped or the connection [cut](Self::cut).
    pub async fn ended(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.0.cut.load(Relaxed) {
                return;
            }
            ended.await;
        }
    }

    fn check(&self) -> io::Result<()> {
        if !self.0.cut.load(Relaxed) {
            return Ok(());
        }
        // Pass the news on to the next who waits for room.
        self.0.room.notify_one();
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the connection was cut",
        ))
    }

    fn watch(&self, waker: &Waker) {
        let mut reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *reader {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn has_room(&self) -> bool {
        self.kept() + self.0.reserved.load(Relaxed) <= PRODUCE_MARK
    }

    fn set_kept(&self, bytes: usize) {
        self.0.kept.store(bytes, Relaxed);
        self.wake_next();
    }

    fn wake_next(&self) {
        if self.has_room() {
            self.0.room.notify_one();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.backlog.0.reserved.fetch_sub(self.bytes, Relaxed);
        self.backlog.wake_next();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    /// The clock is stopped: time passes only while nothing can be done.
    const MOMENT: Duration = Duration::from_millis(200);

    fn pair() -> (WriteBehind<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(1000);
        (WriteBehind::new(ours), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn writing_never_waits_and_reading_pushes() {
        let (mut ours, mut theirs) = pair();
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        ours.write_all(&sent).await.unwrap();
        assert_eq!(ours.backlog().kept(), sent.len() - 1000);
        let reading = tokio::spawn(async move { ours.read_u8().await.unwrap() });
        let mut received = vec![0; sent.len()];
        theirs.read_exact(&mut received).await.unwrap();
        assert!(received == sent);
        theirs.write_u8(7).await.unwrap();
        assert_eq!(reading.await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded() {
        let (mut ours, _theirs) = pair();
        let piece = vec![0; 1 << 20];
        let mut written = 0;
        let error = loop {
            match ours.write_all(&piece).await {
                Ok(()) => written += piece.len(),
                Err(error) => break error,
            }
            assert!(written <= 2 * KEPT_LIMIT);
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(ours.backlog().kept() <= KEPT_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn producers_wait_for_room_one_after_the_other() {
        let (mut ours, mut theirs) = pair();
        let backlog = ours.backlog();
        ours.write_all(&vec![0; PRODUCE_MARK + 2000]).await.unwrap();
        assert!(
            timeout(MOMENT, backlog.reserve(1)).await.is_err(),
            "reserved beyond the mark"
        );
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let backlog = backlog.clone();
                tokio::spawn(async move { drop(backlog.reserve(PRODUCE_MARK).await.unwrap()) })
            })
            .collect();
        tokio::spawn(async move { ours.read_u8().await });
        let mut received = vec![0; PRODUCE_MARK + 2000];
        theirs.read_exact(&mut received).await.unwrap();
        for producer in waiting {
            producer.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn cutting_wakes_everybody() {
        let (mut ours, _theirs) = pair();
        let backlog = ours.backlog();
        ours.write_all(&vec![0; PRODUCE_MARK + 2000]).await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let backlog = backlog.clone();
                tokio::spawn(async move { backlog.reserve(1).await.is_err() })
            })
            .collect();
        let reading = tokio::spawn(async move { ours.read_u8().await.is_err() });
        tokio::time::sleep(MOMENT).await;
        backlog.cut();
        assert!(reading.await.unwrap());
        for producer in waiting {
            assert!(producer.await.unwrap());
        }
        backlog.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_releases_producers() {
        let (mut ours, _theirs) = pair();
        let backlog = ours.backlog();
        ours.write_all(&vec![0; PRODUCE_MARK + 2000]).await.unwrap();
        let waiting = tokio::spawn({
            let backlog = backlog.clone();
            async move { backlog.reserve(1).await.is_err() }
        });
        tokio::time::sleep(MOMENT).await;
        drop(ours);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn shutting_down_gives_up_on_a_peer_that_does_not_read() {
        let (mut ours, mut theirs) = pair();
        ours.write_all(&[1; 5000]).await.unwrap();
        ours.shutdown().await.unwrap();
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn shutting_down_pushes_what_is_kept() {
        let (mut ours, mut theirs) = pair();
        ours.write_all(&[1; 5000]).await.unwrap();
        let shutting_down = tokio::spawn(async move { ours.shutdown().await.unwrap() });
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), 5000);
        shutting_down.await.unwrap();
    }
}

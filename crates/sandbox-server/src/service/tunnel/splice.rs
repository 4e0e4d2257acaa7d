//! Carrying bytes both ways.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep, timeout};

use crate::backend::Io;

/// How long the agent's first bytes are held back for a caller that says nothing. There are clients that lose what
/// comes in one piece with the answer to their `CONNECT`; a client of SSH speaks without being spoken to, so that
/// most never wait for this.
const HOLD: Duration = Duration::from_millis(200);

/// Bytes on their way in each direction.
const BUFFER: usize = 64 << 10;

/// How often somebody looks whether bytes have passed, at the most.
const LOOK: Duration = Duration::from_secs(10);

/// Carries bytes until both directions have ended, one of them fails, or nothing passes for as long as `idle`. The end
/// of one direction is passed on and leaves the other one open. Calls `used` now and then while bytes pass; says why
/// it has ended.
pub(super) async fn splice(caller: impl Io, agent: impl Io, idle: Duration, used: impl Fn()) -> &'static str {
    let passed = AtomicU64::new(0);
    let mut caller = Counted::new(caller, &passed);
    let mut agent = Counted::new(agent, &passed);
    tokio::select! {
        carried = carry(&mut caller, &mut agent) => match carried {
            Ok(()) => "both ends have closed",
            Err(_) => "one end was lost",
        },
        () = stillness(&passed, idle, used) => "it was idle",
    }
}

async fn carry(caller: &mut impl Io, agent: &mut impl Io) -> io::Result<()> {
    let mut first = vec![0; BUFFER];
    if let Ok(read) = timeout(HOLD, caller.read(&mut first)).await {
        let read = read?;
        agent.write_all(first.get(..read).unwrap_or_default()).await?;
    }
    drop(first);
    copy_bidirectional_with_sizes(caller, agent, BUFFER, BUFFER).await?;
    Ok(())
}

/// Waits until nothing has passed for a while.
async fn stillness(passed: &AtomicU64, idle: Duration, used: impl Fn()) {
    let mut seen = 0;
    let mut since = Instant::now();
    while since.elapsed() < idle {
        sleep(LOOK.min(idle.saturating_sub(since.elapsed()))).await;
        let now = passed.load(Relaxed);
        if now != seen {
            seen = now;
            since = Instant::now();
            used();
        }
    }
}

/// A stream whose bytes are counted as they are read.
struct Counted<'a, S> {
    stream: S,
    passed: &'a AtomicU64,
}

impl<'a, S> Counted<'a, S> {
    fn new(stream: S, passed: &'a AtomicU64) -> Self {
        Self { stream, passed }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        self.passed.fetch_add(read as u64, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<'_, S> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    const IDLE: Duration = Duration::from_secs(100);

    /// The two ends that are spliced, as their peers see them. The clock is stopped: time passes only while nothing
    /// can be done.
    struct Spliced {
        caller: DuplexStream,
        agent: DuplexStream,
        used: Arc<AtomicU64>,
        ended: JoinHandle<&'static str>,
    }

    fn start() -> Spliced {
        let (caller, near_caller) = duplex(1000);
        let (agent, near_agent) = duplex(1000);
        let used = Arc::new(AtomicU64::new(0));
        let count = used.clone();
        let ended = tokio::spawn(async move {
            let used = move || {
                count.fetch_add(1, Relaxed);
            };
            splice(near_caller, near_agent, IDLE, used).await
        });
        Spliced {
            caller,
            agent,
            used,
            ended,
        }
    }

    async fn read<const N: usize>(stream: &mut DuplexStream) -> [u8; N] {
        let mut bytes = [0; N];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn the_agent_waits_for_its_caller_to_speak() {
        let mut spliced = start();
        let start = Instant::now();
        spliced.agent.write_all(b"banner").await.unwrap();
        let early = timeout(HOLD / 2, read::<6>(&mut spliced.caller)).await;
        assert!(early.is_err(), "it did not wait");
        spliced.caller.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut spliced.caller).await, *b"banner");
        assert_eq!(read(&mut spliced.agent).await, *b"hello");
        assert!(start.elapsed() < HOLD);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_caller_hears_the_agent_after_a_moment() {
        let mut spliced = start();
        let start = Instant::now();
        spliced.agent.write_all(b"banner").await.unwrap();
        assert_eq!(read(&mut spliced.caller).await, *b"banner");
        assert!(start.elapsed() >= HOLD);
    }

    #[tokio::test(start_paused = true)]
    async fn one_direction_ends_before_the_other() {
        let mut spliced = start();
        spliced.caller.write_all(b"all of it").await.unwrap();
        spliced.caller.shutdown().await.unwrap();
        let mut heard = Vec::new();
        spliced.agent.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"all of it");
        let answer = vec![7; 100_000];
        let written = answer.clone();
        let mut agent = spliced.agent;
        tokio::spawn(async move {
            agent.write_all(&written).await.unwrap();
            agent.shutdown().await.unwrap();
        });
        let mut heard = Vec::new();
        spliced.caller.read_to_end(&mut heard).await.unwrap();
        assert!(heard == answer);
        assert_eq!(spliced.ended.await.unwrap(), "both ends have closed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_idle_ends_and_what_is_not_does_not() {
        let mut spliced = start();
        for _ in 0..5 {
            sleep(IDLE * 3 / 4).await;
            spliced.agent.write_all(b"x").await.unwrap();
            assert_eq!(read(&mut spliced.caller).await, *b"x");
        }
        assert!(spliced.used.load(Relaxed) >= 4, "{:?}", spliced.used);
        let start = Instant::now();
        assert_eq!(spliced.ended.await.unwrap(), "it was idle");
        assert!(
            (IDLE..IDLE + 2 * LOOK).contains(&start.elapsed()),
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_is_lost_ends_it() {
        let mut spliced = start();
        spliced.caller.write_all(b"x").await.unwrap();
        assert_eq!(read(&mut spliced.agent).await, *b"x");
        drop(spliced.agent);
        let _ = spliced.caller.write_all(b"y").await;
        assert_eq!(spliced.ended.await.unwrap(), "one end was lost");
        let mut rest = Vec::new();
        spliced.caller.read_to_end(&mut rest).await.unwrap();
    }
}

//! Bytes a peer sent for a command's standard input and that the command has not read yet.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    net::unix::pipe::Sender,
    sync::Notify,
};

use crate::flow::Flow;

/// Bytes of one channel beyond which it is ended.
const LIMIT: usize = 64 << 20;

/// Small messages are put together up to this, or a peer that sends single bytes would cost many times their
/// number.
const CHUNK: usize = 32 << 10;

/// The queue between the session loop, which must never wait, and the task that writes to the command.
pub(crate) struct Input {
    state: Mutex<State>,
    changed: Notify,
    flow: Arc<Flow>,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    last: BytesMut,
    bytes: usize,
    finished: bool,
    discarded: bool,
    /// Takes what fits while nothing is queued: no copy, no other task to wake.
    pipe: Option<Arc<Sender>>,
}

impl State {
    /// Writes what can be written at once and in order, and gives the rest.
    fn pass_on<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let pipe = self.pipe.as_ref().filter(|_| self.bytes == 0);
        // An error is seen again by who drains the queue.
        let written = pipe.and_then(|pipe| pipe.try_write(bytes).ok());
        bytes.get(written.unwrap_or(0)..).unwrap_or_default()
    }
}

/// The queue's view of a pipe.
struct Shared<'a>(&'a Sender);

impl AsyncWrite for Shared<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The peer sent more than is kept.
pub(crate) struct Overflow;

impl Input {
    pub(crate) fn new(flow: Arc<Flow>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changed: Notify::new(),
            flow,
        })
    }

    /// Passes bytes on or queues them, or drops them if nobody will read them.
    pub(crate) fn push(&self, bytes: &[u8]) -> Result<(), Overflow> {
        let mut state = self.lock();
        if state.discarded || state.finished {
            return Ok(());
        }
        let bytes = state.pass_on(bytes);
        if bytes.is_empty() {
            return Ok(());
        }
        if state.bytes + bytes.len() > LIMIT || !self.flow.queue(bytes.len()) {
            return Err(Overflow);
        }
        state.bytes += bytes.len();
        state.last.extend_from_slice(bytes);
        if state.last.len() >= CHUNK {
            let full = state.last.split().freeze();
            state.chunks.push_back(full);
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Nothing follows.
    pub(crate) fn finish(&self) {
        self.lock().finished = true;
        self.changed.notify_one();
    }

    /// Nobody reads any more.
    pub(crate) fn discard(&self) {
        let mut state = self.lock();
        state.discarded = true;
        let bytes = std::mem::take(&mut state.bytes);
        state.chunks = VecDeque::new();
        state.last = BytesMut::new();
        drop(state);
        self.flow.unqueue(bytes);
        self.changed.notify_one();
    }

    /// As [`drain`](Self::drain), and past the queue what the pipe takes at once. Closes the pipe.
    pub(crate) async fn drain_into(&self, pipe: Sender) {
        let pipe = Arc::new(pipe);
        self.lock().pipe = Some(Arc::clone(&pipe));
        self.drain(&mut Shared(&pipe)).await;
        self.lock().pipe = None;
    }

    /// Writes what comes in until it ends, or the writer does.
    pub(crate) async fn drain(&self, writer: &mut (impl AsyncWrite + Unpin)) {
        while let Some(chunk) = self.next().await {
            let written = writer.write_all(&chunk).await;
            self.written(chunk.len());
            if written.is_err() {
                self.discard();
            }
        }
    }

    async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut state = self.lock();
                if let Some(chunk) = state.chunks.pop_front() {
                    return Some(chunk);
                }
                state.chunks = VecDeque::new();
                if !state.last.is_empty() {
                    return Some(std::mem::take(&mut state.last).freeze());
                }
                if state.finished || state.discarded {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// Counts only now what left the queue before: until it is written it takes memory.
    fn written(&self, bytes: usize) {
        let mut state = self.lock();
        // After `discard` these bytes are no longer counted.
        let counted = bytes.min(state.bytes);
        state.bytes -= counted;
        drop(state);
        self.flow.unqueue(counted);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    fn queue() -> (Arc<Input>, Arc<Flow>) {
        let flow = Flow::new(Arc::default());
        (Input::new(Arc::clone(&flow)), flow)
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_in_order() {
        let (input, flow) = queue();
        let sent: Vec<u8> = (0..200_000u32).map(|n| (n / 7) as u8).collect();
        for piece in sent.chunks(777) {
            assert!(input.push(piece).is_ok());
        }
        input.finish();
        let (mut writer, mut reader) = duplex(1000);
        let draining = tokio::spawn(async move { input.drain(&mut writer).await });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        draining.await.unwrap();
        assert!(received == sent);
        assert_eq!(flow.queued(), 0);
    }

    #[tokio::test]
    async fn what_a_pipe_takes_at_once_is_not_queued() {
        let (input, flow) = queue();
        let (pipe, mut reader) = tokio::net::unix::pipe::pipe().unwrap();
        pipe.writable().await.unwrap();
        let draining = tokio::spawn({
            let input = Arc::clone(&input);
            async move { input.drain_into(pipe).await }
        });
        tokio::task::yield_now().await;
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7) as u8).collect();
        let (at_once, more) = sent.split_at(10_000);
        assert!(input.push(at_once).is_ok());
        assert_eq!(flow.queued(), 0);
        for piece in more.chunks(77_777) {
            assert!(input.push(piece).is_ok());
        }
        assert!(flow.queued() > 1 << 20, "a pipe does not hold that much");
        input.finish();
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        draining.await.unwrap();
        assert!(received == sent);
        assert_eq!(flow.queued(), 0);
    }

    #[test]
    fn small_messages_are_put_together() {
        let (input, _) = queue();
        for _ in 0..100_000 {
            assert!(input.push(b"x").is_ok());
        }
        assert!(input.lock().chunks.len() <= 100_000 / CHUNK + 1);
    }

    #[test]
    fn a_channel_and_all_of_them_are_limited() {
        let (input, flow) = queue();
        let piece = vec![0; 1 << 20];
        while input.push(&piece).is_ok() {
            assert!(flow.queued() <= LIMIT);
        }
        let (second, third) = (Input::new(Arc::clone(&flow)), Input::new(Arc::clone(&flow)));
        while second.push(&piece).is_ok() {}
        assert!(third.push(&piece).is_err(), "no limit for all together");
        input.discard();
        assert!(third.push(&piece).is_ok());
        drop((second, third));
        assert_eq!(flow.queued(), 0);
    }

    #[tokio::test]
    async fn a_reader_that_ends_discards_the_rest() {
        let (input, flow) = queue();
        assert!(input.push(&[0; 100_000]).is_ok());
        let (mut writer, reader) = duplex(10);
        drop(reader);
        input.drain(&mut writer).await;
        assert_eq!(flow.queued(), 0);
        assert!(input.push(&[0; 100_000]).is_ok());
        assert_eq!(flow.queued(), 0);
    }
}

//! What has arrived on channels and nobody has read yet.
//!
//! The protocol library grants a server new window as soon as data arrives, read or not, and serves all channels of a
//! connection from one task. If that task waited for whoever reads one of them, it would carry nothing for the others,
//! nor a signal or a keepalive for the same one. So it keeps what arrives, and while much of it is unread it asks the
//! server to send no more on that channel: by a signal, for that is what SSH passes on without an answer. The sandbox
//! agent heeds it. A server that does not know it is held back all the same, by a connection that is not read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::Notify;

/// The name of the signal upon which the sandbox agent sends no more output on a channel.
pub const HOLD: &str = "HOLD@sandbox";

/// The name of the signal upon which it goes on.
pub const RESUME: &str = "RESUME@sandbox";

/// Unread bytes beyond which a server is asked to send no more, and asked again for each further so many: it may have
/// been told meanwhile to go on.
const HIGH: usize = 1 << 20;

/// Unread bytes below which it is asked to go on.
const LOW: usize = 256 << 10;

/// Unread bytes beyond which the whole connection waits. Several times what is under way when a server is asked to send
/// no more.
const LIMIT: usize = 16 << 20;

/// What a message takes beside its bytes.
const MESSAGE: usize = 256;

/// Messages that the library has to be able to keep of one channel: never fewer than come before [`LIMIT`].
pub(crate) const MESSAGES: usize = LIMIT / MESSAGE + 2;

/// The channels of one connection, by their numbers.
#[derive(Clone, Default)]
pub(crate) struct Channels(Arc<Mutex<HashMap<u32, Weak<Unread>>>>);

/// What is unread on one channel.
pub(crate) struct Unread {
    id: u32,
    count: Mutex<Count>,
    room: Notify,
    channels: Channels,
}

#[derive(Default)]
struct Count {
    bytes: usize,
    held: bool,
    /// What arrived since the server was last asked to send no more.
    since: usize,
}

impl Channels {
    /// Counts what is unread on a channel from now on.
    pub(crate) fn open(&self, id: u32) -> Arc<Unread> {
        let unread = Arc::new(Unread {
            id,
            count: Mutex::default(),
            room: Notify::new(),
            channels: self.clone(),
        });
        lock(&self.0).insert(id, Arc::downgrade(&unread));
        unread
    }

    pub(crate) fn get(&self, id: u32) -> Option<Arc<Unread>> {
        lock(&self.0).get(&id)?.upgrade()
    }
}

impl Unread {
    /// Counts a message that has arrived; `true` if the server is to be asked to send no more.
    pub(crate) fn arrived(&self, bytes: usize) -> bool {
        let mut count = lock(&self.count);
        count.bytes += bytes + MESSAGE;
        count.since += bytes + MESSAGE;
        let hold = count.bytes > HIGH && (!count.held || count.since > HIGH);
        if hold {
            count.held = true;
            count.since = 0;
        }
        hold
    }

    /// Counts a message that was read; `true` if the server is to be asked to go on.
    pub(crate) fn read(&self, bytes: usize) -> bool {
        let mut count = lock(&self.count);
        count.bytes = count.bytes.saturating_sub(bytes + MESSAGE);
        if count.bytes <= LIMIT {
            self.room.notify_one();
        }
        let resume = count.held && count.bytes < LOW;
        count.held &= !resume;
        resume
    }

    /// Waits until not too much is unread.
    pub(crate) async fn room(&self) {
        while lock(&self.count).bytes > LIMIT {
            self.room.notified().await;
        }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        lock(&self.channels.0).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn unread() -> (Channels, Arc<Unread>) {
        let channels = Channels::default();
        let unread = channels.open(7);
        (channels, unread)
    }

    #[test]
    fn a_server_is_asked_to_stop_and_to_go_on() {
        let (_, unread) = unread();
        assert!(!unread.arrived(HIGH - MESSAGE));
        assert!(unread.arrived(1));
        assert!(!unread.arrived(1));
        assert!(unread.arrived(HIGH), "asked but once");
        assert!(!unread.read(HIGH));
        assert!(!unread.read(1));
        assert!(unread.read(HIGH - MESSAGE));
        assert!(!unread.read(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_on_and_on_waits() {
        let (_, unread) = unread();
        unread.arrived(LIMIT);
        let moment = Duration::from_secs(1);
        assert!(timeout(moment, unread.room()).await.is_err());
        unread.read(LIMIT);
        timeout(moment, unread.room()).await.unwrap();
    }

    #[test]
    fn nothing_is_kept_of_a_channel_that_is_gone() {
        let (channels, unread) = unread();
        assert!(channels.get(7).is_some());
        drop(unread);
        assert!(lock(&channels.0).is_empty());
    }
}

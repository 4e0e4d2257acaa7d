//! One thread of this process that runs futures, whatever becomes of the caller's runtimes. It starts when it is first
//! needed, sleeps when there is nothing to do, and ends with the process.

use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, ThreadId};

use tokio::runtime::{Builder, Handle};

use crate::{Error, ErrorKind};

static THREAD: Mutex<Option<Background>> = Mutex::new(None);

#[derive(Clone)]
pub(crate) struct Background {
    runtime: Handle,
    thread: ThreadId,
}

impl Background {
    /// # Errors
    ///
    /// When the thread cannot be started. The next call tries again.
    pub(crate) fn get() -> Result<Self, Error> {
        let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(background) = &*thread {
            return Ok(background.clone());
        }
        let background = start().map_err(|error| {
            // It is this machine that is short of something, and maybe not for long.
            Error::new(ErrorKind::Connection, "the background thread cannot be started").with_source(error)
        })?;
        Ok(thread.insert(background).clone())
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    /// Whether the calling thread is this one, which must not wait for itself.
    pub(crate) fn is_current_thread(&self) -> bool {
        thread::current().id() == self.thread
    }
}

fn start() -> io::Result<Background> {
    let (sender, receiver) = mpsc::channel();
    // The runtime is made where it lives: it cannot be dropped where other runtimes run.
    let thread = thread::Builder::new()
        .name("sandbox-sessions".to_owned())
        .spawn(move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let _ = sender.send(Ok(runtime.handle().clone()));
                runtime.block_on(std::future::pending::<()>());
            }
            Err(error) => {
                let _ = sender.send(Err(error));
            }
        })?;
    let runtime = receiver.recv().map_err(io::Error::other)??;
    Ok(Background {
        runtime,
        thread: thread.thread().id(),
    })
}

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::background::Background;
use crate::{Error, ErrorKind, Session, SessionId, SessionsClient};

/// How long a thread of a runtime is held up at most: its other tasks wait too.
const PATIENCE_OF_RUNTIMES: Duration = Duration::from_secs(1);

/// How long any other thread waits at most.
const PATIENCE_OF_THREADS: Duration = Duration::from_secs(10);

/// Whether the last wait was in vain and nothing was deleted since. To wait again for an API that does not answer
/// would add up.
static STUCK: AtomicBool = AtomicBool::new(false);

/// A session that is deleted when this is dropped, made by [`Session::delete_on_drop`].
///
/// It is a [`Session`] in all other respects. [`delete`](Self::delete) is still the better end where it can be
/// awaited, because it says whether it worked; [`detach`](Self::detach) calls the deletion off.
///
/// Dropping the guard hands the deletion to a thread of this crate's own, with connections of its own. It works
/// in and outside of runtimes, while a runtime shuts down and after that, and during a panic. The thread tries
/// as often as the client's [`RetryPolicy`](crate::RetryPolicy) allows; what then failed is a `tracing` event
/// of the level `WARN`, and the session ends when its time to live has passed.
///
/// So that a program whose last act it is does not end before, the drop waits until the session is gone,
/// usually some milliseconds: at most 1 s on a thread that belongs to a runtime, 10 s on others, and not at all
/// if another such wait was in vain and nothing was deleted since. The deletion goes on after the wait, as long
/// as the process lives. A client with an [`http_client`] of the caller's own shares its connections with the
/// thread, so that one which belongs to a runtime that does not run any more may hold up the deletion for the
/// client's timeout.
///
/// What runs no destructors deletes nothing: [`std::process::exit`], an abort, a signal that kills,
/// [`std::mem::forget`]. Choose a [time to live](crate::CreateSession::ttl) that suits that.
///
/// ```no_run
/// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let session = client.create_session().await?.delete_on_drop();
/// session.run_code("print(6 * 7)").await?; // on an error the session is deleted as well
/// session.delete().await
/// # }
/// ```
///
/// [`http_client`]: crate::SessionsClientBuilder::http_client
#[must_use = "the session is deleted when the guard is dropped"]
pub struct SessionGuard<S: Guarded = Session> {
    session: S,
    is_armed: bool,
}

/// A handle to a session, of either kind.
pub trait Guarded: Clone {
    #[doc(hidden)]
    fn handle(&self) -> &Session;
}

impl Guarded for Session {
    fn handle(&self) -> &Session {
        self
    }
}

impl SessionGuard {
    /// Deletes the session now. If that fails, or the future is dropped before it ends, the guard's drop
    /// follows and tries once more. A session that is gone already is no error.
    ///
    /// # Errors
    ///
    /// As [`DeleteSession`](crate::DeleteSession), except for
    /// [`SessionNotFound`](ErrorKind::SessionNotFound).
    pub async fn delete(self) -> Result<(), Error> {
        let result = self.session.delete().await;
        self.deleted(result)
    }
}

impl<S: Guarded> SessionGuard<S> {
    pub(crate) fn new(session: S) -> Self {
        Self {
            session,
            is_armed: true,
        }
    }

    /// What came of a deletion: unless it failed, there is nothing left to do for the drop.
    pub(crate) fn deleted(mut self, result: Result<(), Error>) -> Result<(), Error> {
        unless_gone(result)?;
        self.is_armed = false;
        Ok(())
    }

    /// The session, which is no longer deleted on drop.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// let session = client.create_session().await?.delete_on_drop();
    /// session.upload_file("job.py", "print(6 * 7)").await?;
    /// let session = session.detach(); // all went well: it lives on
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(mut self) -> S {
        self.is_armed = false;
        self.session.clone()
    }
}

impl<S: Guarded> Deref for SessionGuard<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.session
    }
}

impl<S: Guarded> DerefMut for SessionGuard<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.session
    }
}

impl<S: Guarded> Drop for SessionGuard<S> {
    fn drop(&mut self) {
        if self.is_armed {
            let session = self.session.handle();
            delete_and_wait(session.client(), session.id());
        }
    }
}

impl<S: Guarded + fmt::Debug> fmt::Debug for SessionGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionGuard").field(&self.session).finish()
    }
}

fn unless_gone(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.kind() == ErrorKind::SessionNotFound => Ok(()),
        result => result,
    }
}

/// Nothing in here may panic: it runs while others do.
fn delete_and_wait(client: &SessionsClient, id: SessionId) {
    let background = match Background::get() {
        Ok(background) => background,
        Err(error) => return tell(id, &error),
    };
    let (sender, done) = mpsc::channel();
    let client = client.clone();
    background.spawn(async move {
        if let Err(error) = delete(&client, id).await {
            tell(id, &error);
        }
        STUCK.store(false, Ordering::Relaxed);
        let _ = sender.send(());
    });
    if background.is_current_thread() || STUCK.load(Ordering::Relaxed) {
        return;
    }
    let patience = if Handle::try_current().is_ok() {
        PATIENCE_OF_RUNTIMES
    } else {
        PATIENCE_OF_THREADS
    };
    if done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
        STUCK.store(true, Ordering::Relaxed);
    }
}

async fn delete(client: &SessionsClient, id: SessionId) -> Result<(), Error> {
    unless_gone(client.for_background()?.delete_session(&id).await)
}

fn tell(id: SessionId, error: &Error) {
    tracing::warn!(
        session = %id,
        error = error as &dyn std::error::Error,
        "a session could not be deleted; it ends when its time to live has passed"
    );
}

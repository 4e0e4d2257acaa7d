//! The same client without `async`: every method waits on the calling thread.
//!
//! It is what the rest of the crate is, and does it in the same way, with the same [`Error`](crate::Error): requests
//! check their values before anything is sent, and are repeated as the client's
//! [`RetryPolicy`](crate::RetryPolicy) says. What is awaited there ends with [`send`](Request::send) here. The
//! work is done by one thread of this crate, which all clients of the process share and which starts when it is
//! first needed; clients and handles can be used from any number of threads at once.
//!
//! ```no_run
//! use std::time::Duration;
//! use sandbox_sessions::blocking::SessionsClient;
//!
//! let client = SessionsClient::from_env()?;
//! let session = client.create_session().ttl(Duration::from_secs(600)).send()?.delete_on_drop();
//! let result = session.run_code("print(6 * 7)").timeout(Duration::from_secs(30)).send()?;
//! assert_eq!(result.stdout(), "42\n");
//! # Ok::<(), sandbox_sessions::Error>(())
//! ```
//!
//! With the feature `ssh` there is `SessionSshClient`, for commands, copies and ports; what streams over SSH is for the
//! async client.
//!
//! # In an async runtime
//!
//! A call in the middle of a Tokio task would hold up all other tasks of its thread. It fails with
//! [`InvalidArgument`](crate::ErrorKind::InvalidArgument), before anything is sent: use the client without
//! `blocking` there, or `tokio::task::spawn_blocking`, in which these calls work.

mod client;
mod download;
mod request;
mod session;
mod session_iter;
#[cfg(feature = "ssh")]
mod ssh;
mod wait;
mod wait_until;

pub use client::SessionsClient;
pub use download::Download;
pub use request::{Operation, Request};
pub use session::Session;
pub use session_iter::SessionIter;
#[cfg(feature = "ssh")]
pub use ssh::SessionSshClient;
pub use wait_until::WaitUntil;

/// A session that is deleted when this is dropped, made by [`Session::delete_on_drop`].
///
/// ```no_run
/// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let session = client.create_session().send()?.delete_on_drop();
/// session.run_code("print(6 * 7)").send()?; // on an error the session is deleted as well
/// session.delete()
/// # }
/// ```
pub type SessionGuard = crate::SessionGuard<Session>;

/// One page of a list of sessions.
///
/// ```no_run
/// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let page = client.list_sessions().limit(10).send()?;
/// println!("{} of {} sessions", page.sessions().len(), page.total());
/// # Ok(())
/// # }
/// ```
pub type SessionPage = crate::SessionPage<Session>;

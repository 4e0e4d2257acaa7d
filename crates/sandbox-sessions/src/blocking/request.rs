use std::fmt;
use std::time::Duration;

use serde::Serialize;

#[cfg(feature = "ssh")]
use super::SessionSshClient;
use super::wait::wait_for;
use super::{Download, Session, SessionIter, SessionPage};
#[cfg(feature = "ssh")]
use crate::ssh::{
    ForwardLocal, LocalForward, SessionSshClientBuilder, SshCommandOutput, SshDownload, SshRunCommand,
    SshUpload, Transferred,
};
use crate::{
    CheckHealth, CommandResult, CreateSession, DeleteSession, DownloadFile, Error, FileInfo, GetSession,
    HealthStatus, Language, ListSessions, PauseSession, ResumeSession, RunCode, RunCommand, UploadFile,
};

/// A request that waits until it is done: the setters are those of the request `R` that would be awaited, and its
/// documentation says what they mean and which errors there are.
///
/// ```no_run
/// use sandbox_sessions::Language;
/// use sandbox_sessions::blocking::SessionsClient;
///
/// let session = SessionsClient::from_env()?.create_session().image("python:3.11").send()?;
/// let result = session.run_code("echo hello").language(Language::Bash).send()?;
/// session.delete().send()?;
/// # Ok::<(), sandbox_sessions::Error>(())
/// ```
///
/// Every setter is there:
///
/// ```no_run
/// use std::time::Duration;
/// use serde_json::json;
///
/// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), Box<dyn std::error::Error>> {
/// let session = client
///     .create_session()
///     .ttl(Duration::from_secs(600))
///     .metadata(json!({ "user": "alice" }))
///     .ssh_public_key(std::fs::read_to_string("id_ed25519.pub")?)
///     .idempotency_key("grading/alice")
///     .send()?;
/// let page = client.list_sessions().limit(10).offset(20).send()?;
/// session.run_command("make").env("CC", "clang").timeout(Duration::from_secs(120)).send()?;
/// session.upload_file("notes.txt", "hello\n").overwrite(true).send()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a request is sent only by `send`"]
pub struct Request<R>(pub(super) R);

impl<R: Operation> Request<R> {
    pub(super) fn new(request: R) -> Self {
        Self(request)
    }

    /// Sends the request and waits for its answer.
    ///
    /// # Errors
    ///
    /// As for `R`, and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) in the middle of an async task.
    pub fn send(self) -> Result<R::Answer, Error> {
        wait_for(self.0.into_future()).map(R::answer)
    }
}

/// What can be sent as a [`Request`]: the requests of this crate.
///
/// ```no_run
/// use sandbox_sessions::Error;
/// use sandbox_sessions::blocking::{Operation, Request};
///
/// /// Sends any request and says how long it took.
/// fn timed<R: Operation>(request: Request<R>) -> Result<R::Answer, Error> {
///     let start = std::time::Instant::now();
///     let answer = request.send();
///     eprintln!("{:?}", start.elapsed());
///     answer
/// }
/// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), Error> {
/// let session = timed(client.create_session())?;
/// # Ok(())
/// # }
/// ```
pub trait Operation: sealed::Sent {
    /// What it is answered with.
    type Answer;

    #[doc(hidden)]
    fn answer(awaited: Self::Awaited) -> Self::Answer;
}

mod sealed {
    use crate::Error;

    pub trait Sent:
        IntoFuture<Output = Result<Self::Awaited, Error>, IntoFuture: Send + 'static> + Sized
    {
        type Awaited: Send + 'static;
    }

    impl<R, T> Sent for R
    where
        R: IntoFuture<Output = Result<T, Error>, IntoFuture: Send + 'static>,
        T: Send + 'static,
    {
        type Awaited = T;
    }
}

/// Which answer each request has, and how that becomes one for threads.
macro_rules! operations {
    ($($request:ty => $answer:ty, $convert:expr;)*) => {
        $(impl Operation for $request {
            type Answer = $answer;

            fn answer(awaited: Self::Awaited) -> $answer {
                $convert(awaited)
            }
        })*
    };
}

operations! {
    CheckHealth => HealthStatus, std::convert::identity;
    CreateSession => Session, Session::new;
    DeleteSession => (), std::convert::identity;
    DownloadFile => Download, Download::new;
    GetSession => Session, Session::new;
    ListSessions => SessionPage, Session::page;
    PauseSession => Session, Session::new;
    ResumeSession => Session, Session::new;
    RunCode => CommandResult, std::convert::identity;
    RunCommand => CommandResult, std::convert::identity;
    UploadFile => FileInfo, std::convert::identity;
}

#[cfg(feature = "ssh")]
operations! {
    SessionSshClientBuilder => SessionSshClient, SessionSshClient::new;
    SshRunCommand => SshCommandOutput, std::convert::identity;
    SshUpload => Transferred, std::convert::identity;
    SshDownload => Transferred, std::convert::identity;
    ForwardLocal => LocalForward, std::convert::identity;
}

impl Request<CreateSession> {
    /// See [`CreateSession::ttl`].
    pub fn ttl(self, ttl: Duration) -> Self {
        Self(self.0.ttl(ttl))
    }

    /// See [`CreateSession::image`].
    pub fn image(self, image: impl Into<String>) -> Self {
        Self(self.0.image(image))
    }

    /// See [`CreateSession::metadata`].
    pub fn metadata(self, metadata: impl Serialize) -> Self {
        Self(self.0.metadata(metadata))
    }

    /// See [`CreateSession::ssh_public_key`].
    pub fn ssh_public_key(self, line: impl Into<String>) -> Self {
        Self(self.0.ssh_public_key(line))
    }

    /// See [`CreateSession::idempotency_key`].
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        Self(self.0.idempotency_key(key))
    }
}

impl Request<ListSessions> {
    /// See [`ListSessions::limit`].
    pub fn limit(self, limit: u32) -> Self {
        Self(self.0.limit(limit))
    }

    /// See [`ListSessions::offset`].
    pub fn offset(self, offset: u32) -> Self {
        Self(self.0.offset(offset))
    }

    /// All sessions instead of one page: see [`ListSessions::stream`].
    ///
    /// ```no_run
    /// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// for session in client.list_sessions().limit(100).iter() {
    ///     println!("{}", session?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(self) -> SessionIter {
        SessionIter::new(self.0.stream())
    }
}

impl Request<RunCode> {
    /// See [`RunCode::language`].
    pub fn language(self, language: Language) -> Self {
        Self(self.0.language(language))
    }

    /// See [`RunCode::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }
}

impl Request<RunCommand> {
    /// See [`RunCommand::env`].
    pub fn env(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self(self.0.env(name, value))
    }

    /// See [`RunCommand::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }
}

impl Request<UploadFile> {
    /// See [`UploadFile::overwrite`].
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self(self.0.overwrite(overwrite))
    }
}

impl<R: fmt::Debug> fmt::Debug for Request<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.0).finish()
    }
}

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Request, SessionGuard, SessionPage, SessionsClient, WaitUntil};
use crate::{
    DeleteSession, DownloadFile, Error, FileContent, RunCode, RunCommand, SessionId, SessionStatus,
    UploadFile,
};

/// A handle to a session whose methods wait: see [`Session`](crate::Session) for what they do.
///
/// ```no_run
/// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let session = client.create_session().send()?;
/// session.upload_file("in.csv", "a,b\n").send()?;
/// let result = session.run_command("wc -l < in.csv").send()?;
/// session.delete().send()?;
/// # Ok(())
/// # }
/// ```
///
/// It tells the session's state, and follows it:
///
/// ```no_run
/// use std::time::Duration;
/// use sandbox_sessions::SessionStatus;
///
/// # fn example(mut session: sandbox_sessions::blocking::Session) -> Result<(), sandbox_sessions::Error> {
/// println!("{} is {} until {}", session.id(), session.status(), session.expires_at());
/// println!("made at {} from {:?}", session.created_at(), session.image());
/// println!("with {:?} and {:?}", session.metadata(), session.extra());
/// println!("last used {:?}, SSH host key {:?}", session.last_activity_at(), session.ssh_host_key());
///
/// session.pause()?;
/// session.resume()?;
/// session.wait_until_running().timeout(Duration::from_secs(5)).send()?;
/// session.refresh()?;
/// session.wait_until(|session| *session.status() == SessionStatus::Running).send()?;
///
/// let result = session.run_code("print(6 * 7)").send()?;
/// let content = session.download_file("out.csv").send()?.bytes(1024)?;
/// let others = session.client().list_sessions().send()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session(crate::Session);

impl Session {
    pub(super) fn new(session: crate::Session) -> Self {
        Self(session)
    }

    #[cfg(feature = "ssh")]
    pub(super) fn inner(&self) -> &crate::Session {
        &self.0
    }

    pub(super) fn page(page: crate::SessionPage) -> SessionPage {
        page.map(Self)
    }

    /// The session's identifier.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.0.id()
    }

    /// Whether the session is running or paused.
    #[must_use]
    pub fn status(&self) -> &SessionStatus {
        self.0.status()
    }

    /// When the session was created.
    #[must_use]
    pub fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at()
    }

    /// When the session ends unless it is deleted before.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at()
    }

    /// When the session was last used, if the API says.
    #[must_use]
    pub fn last_activity_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_activity_at()
    }

    /// What was given as metadata at the creation; empty if nothing was.
    #[must_use]
    pub fn metadata(&self) -> &Map<String, Value> {
        self.0.metadata()
    }

    /// The image the session was made from, if the API says.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.0.image()
    }

    /// The public host key of the session's SSH server as an OpenSSH line, if the API says.
    #[must_use]
    pub fn ssh_host_key(&self) -> Option<&str> {
        self.0.ssh_host_key()
    }

    /// What else the API says of the session, in properties that this crate does not know.
    #[must_use]
    pub fn extra(&self) -> &Map<String, Value> {
        self.0.extra()
    }

    /// The client through which this handle sends its requests.
    #[must_use]
    pub fn client(&self) -> SessionsClient {
        SessionsClient::wrap(self.0.client().clone())
    }

    /// Runs code in the session and waits for its end.
    pub fn run_code(&self, code: impl Into<String>) -> Request<RunCode> {
        Request::new(self.0.run_code(code))
    }

    /// Runs a shell command in the session and waits for its end.
    pub fn run_command(&self, command: impl Into<String>) -> Request<RunCommand> {
        Request::new(self.0.run_command(command))
    }

    /// Writes a file in the session. A relative path starts at `/workspace`.
    pub fn upload_file(
        &self,
        path: impl Into<String>,
        content: impl Into<FileContent>,
    ) -> Request<UploadFile> {
        Request::new(self.0.upload_file(path, content))
    }

    /// Reads a file of the session. A relative path starts at `/workspace`.
    pub fn download_file(&self, path: impl Into<String>) -> Request<DownloadFile> {
        Request::new(self.0.download_file(path))
    }

    /// Suspends everything that runs in the session and keeps the new state in this handle.
    ///
    /// # Errors
    ///
    /// As [`PauseSession`](crate::PauseSession).
    pub fn pause(&mut self) -> Result<(), Error> {
        *self = self.client().pause_session(&self.id()).send()?;
        Ok(())
    }

    /// Lets everything in the session go on and keeps the new state in this handle.
    ///
    /// # Errors
    ///
    /// As [`ResumeSession`](crate::ResumeSession).
    pub fn resume(&mut self) -> Result<(), Error> {
        *self = self.client().resume_session(&self.id()).send()?;
        Ok(())
    }

    /// Asks the API for the session's present state and keeps it in this handle. A failure changes nothing.
    ///
    /// # Errors
    ///
    /// As [`GetSession`](crate::GetSession).
    pub fn refresh(&mut self) -> Result<(), Error> {
        *self = self.client().get_session(&self.id()).send()?;
        Ok(())
    }

    /// Waits until something is true of the session, as the API tells its state, and keeps that state in this
    /// handle.
    pub fn wait_until<F: FnMut(&Session) -> bool>(&mut self, condition: F) -> WaitUntil<'_, F> {
        WaitUntil::new(self, condition)
    }

    /// Waits until the session runs.
    pub fn wait_until_running(&mut self) -> WaitUntil<'_, fn(&Session) -> bool> {
        self.wait_until(|session| *session.status() == SessionStatus::Running)
    }

    /// Deletes the session when the returned guard is dropped.
    ///
    /// ```no_run
    /// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// let session = client.create_session().send()?.delete_on_drop();
    /// session.run_command("make").send()?; // whatever comes of it, the session is deleted
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_on_drop(self) -> SessionGuard {
        SessionGuard::new(self)
    }

    /// Ends the session with everything that runs and is stored in it.
    pub fn delete(&self) -> Request<DeleteSession> {
        Request::new(self.0.delete())
    }
}

impl crate::session_guard::Guarded for Session {
    fn handle(&self) -> &crate::Session {
        &self.0
    }
}

impl SessionGuard {
    /// Deletes the session now. If that fails, the guard's drop follows and tries once more. A session that is
    /// gone already is no error.
    ///
    /// # Errors
    ///
    /// As [`DeleteSession`], except for [`SessionNotFound`](crate::ErrorKind::SessionNotFound).
    pub fn delete(self) -> Result<(), Error> {
        let result = Session::delete(&self).send();
        self.deleted(result)
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

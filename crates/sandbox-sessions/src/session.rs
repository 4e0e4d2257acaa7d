use std::fmt;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sandbox_api::types as wire;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::requests::{DeleteSession, DownloadFile, RunCode, RunCommand, UploadFile, WaitUntil};
use crate::{Error, FileContent, SessionGuard, SessionId, SessionStatus, SessionsClient};

/// A handle to a session: its identifier, a client, and the session's state when the API last told it.
///
/// Dropping the handle does not end the session, unless it was made to by
/// [`delete_on_drop`](Self::delete_on_drop). It serialises to what the API says of it, with the API's
/// names; what this crate does not know of that is kept.
///
/// ```no_run
/// # async fn example(mut session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// println!("{} is {} until {}", session.id(), session.status(), session.expires_at());
/// println!("made at {} from {:?} with {:?}", session.created_at(), session.image(), session.metadata());
/// println!("last used {:?}, SSH host key {:?}", session.last_activity_at(), session.ssh_host_key());
/// if !session.extra().is_empty() {
///     println!("of a newer API: {:?}", session.extra());
/// }
///
/// session.upload_file("in.csv", "a,b\n1,2\n").await?;
/// session.run_code("open('out.csv', 'w').write('3\\n')").await?;
/// let result = session.run_command("wc -l in.csv out.csv").await?;
/// let content = session.download_file("out.csv").await?.bytes(1024).await?;
///
/// session.pause().await?;
/// session.resume().await?;
/// session.wait_until_running().await?;
/// session.refresh().await?;
/// println!("{}", serde_json::to_string(&session).expect("a session is JSON"));
///
/// session.delete().await?;
/// let others = session.client().list_sessions().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session {
    client: SessionsClient,
    state: wire::Session,
}

impl Session {
    pub(crate) fn new(client: SessionsClient, state: wire::Session) -> Self {
        Self { client, state }
    }

    /// The session's identifier.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.state.session_id.into()
    }

    /// Whether the session is running or paused.
    #[must_use]
    pub fn status(&self) -> &SessionStatus {
        &self.state.status
    }

    /// When the session was created.
    #[must_use]
    pub fn created_at(&self) -> DateTime<Utc> {
        self.state.created_at
    }

    /// When the session ends unless it is deleted before.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.state.expires_at
    }

    /// When the session was last used, if the API says.
    #[must_use]
    pub fn last_activity_at(&self) -> Option<DateTime<Utc>> {
        self.state.last_activity_at
    }

    /// What was given as metadata at the creation; empty if nothing was.
    #[must_use]
    pub fn metadata(&self) -> &Map<String, Value> {
        static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.state.metadata.as_ref().unwrap_or(&EMPTY)
    }

    /// The image the session was made from, if the API says.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.state.image.as_deref()
    }

    /// The public host key of the session's SSH server as an OpenSSH line, if the API says.
    #[must_use]
    pub fn ssh_host_key(&self) -> Option<&str> {
        self.state.ssh_host_key.as_deref()
    }

    /// Connects to the session over SSH. Its host key has to be the one that this handle knows.
    ///
    /// ```no_run
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// let ssh = session.ssh().private_key_file("id_ed25519").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "ssh")]
    pub fn ssh(&self) -> crate::ssh::SessionSshClientBuilder {
        self.client.ssh(&self.id()).known_host_key(self.ssh_host_key())
    }

    /// What else the API says of the session, in properties that this crate does not know: those of a newer API.
    #[must_use]
    pub fn extra(&self) -> &Map<String, Value> {
        &self.state.extra
    }

    /// The client through which this handle sends its requests.
    #[must_use]
    pub fn client(&self) -> &SessionsClient {
        &self.client
    }

    /// Runs code in the session and waits for its end. The handle's own state is not updated.
    pub fn run_code(&self, code: impl Into<String>) -> RunCode {
        self.client.run_code(&self.id(), code)
    }

    /// Runs a shell command in the session and waits for its end. The handle's own state is not updated.
    pub fn run_command(&self, command: impl Into<String>) -> RunCommand {
        self.client.run_command(&self.id(), command)
    }

    /// Writes a file in the session. A relative path starts at `/workspace`.
    pub fn upload_file(&self, path: impl Into<String>, content: impl Into<FileContent>) -> UploadFile {
        self.client.upload_file(&self.id(), path, content)
    }

    /// Reads a file of the session. A relative path starts at `/workspace`.
    pub fn download_file(&self, path: impl Into<String>) -> DownloadFile {
        self.client.download_file(&self.id(), path)
    }

    /// Suspends everything that runs in the session and keeps the new state in this handle.
    ///
    /// # Errors
    ///
    /// As [`PauseSession`](crate::PauseSession).
    pub async fn pause(&mut self) -> Result<(), Error> {
        self.state = self.client.pause_session(&self.id()).await?.state;
        Ok(())
    }

    /// Lets everything in the session go on and keeps the new state in this handle.
    ///
    /// # Errors
    ///
    /// As [`ResumeSession`](crate::ResumeSession).
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.state = self.client.resume_session(&self.id()).await?.state;
        Ok(())
    }

    /// Asks the API for the session's present state and keeps it in this handle. A failure changes nothing.
    ///
    /// # Errors
    ///
    /// As [`GetSession`](crate::GetSession).
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.state = self.client.get_session(&self.id()).await?.state;
        Ok(())
    }

    /// Waits until something is true of the session, as the API tells its state, and keeps that state in this
    /// handle.
    ///
    /// ```no_run
    /// use sandbox_sessions::SessionStatus;
    ///
    /// # async fn example(mut session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// session.wait_until(|session| *session.status() == SessionStatus::Paused).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_until<F: FnMut(&Session) -> bool>(&mut self, condition: F) -> WaitUntil<'_, F> {
        WaitUntil::new(self, condition)
    }

    /// Waits until the session runs: for servers that answer before it does, or while somebody else resumes it.
    pub fn wait_until_running(&mut self) -> WaitUntil<'_, fn(&Session) -> bool> {
        self.wait_until(|session| *session.status() == SessionStatus::Running)
    }

    /// Deletes the session when the returned guard is dropped.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// let session = client.create_session().await?.delete_on_drop();
    /// session.run_code("print(6 * 7)").await?;
    /// // The session is deleted here, and was if this had failed.
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_on_drop(self) -> SessionGuard {
        SessionGuard::new(self)
    }

    /// Ends the session with everything that runs and is stored in it.
    pub fn delete(&self) -> DeleteSession {
        self.client.delete_session(&self.id())
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.state.serialize(serializer)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} ({})", self.id(), self.status())
    }
}

/// Leaves the metadata out: it is the user's, and logs are not the place for it.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id())
            .field("status", self.status())
            .field("created_at", &self.created_at())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

use std::time::Duration;

use super::Request;
use crate::{
    CheckHealth, CreateSession, DeleteSession, DownloadFile, Error, FileContent, GetSession, ListSessions,
    PauseSession, ResumeSession, RetryPolicy, RunCode, RunCommand, SecretString, SessionId,
    SessionsClientBuilder, UploadFile,
};

/// A client of the Sandbox API whose methods wait: see [`SessionsClient`](crate::SessionsClient) for what they do.
///
/// ```no_run
/// use sandbox_sessions::blocking::SessionsClient;
///
/// let client = SessionsClient::new("https://api.sandbox.example.com/v1", "your-token-here")?;
/// for session in client.list_sessions().iter() {
///     println!("{}", session?);
/// }
/// # Ok::<(), sandbox_sessions::Error>(())
/// ```
///
/// What has only an identifier of a session goes through the client:
///
/// ```no_run
/// use sandbox_sessions::SessionId;
/// use sandbox_sessions::blocking::SessionsClient;
///
/// # fn example(id: SessionId) -> Result<(), sandbox_sessions::Error> {
/// let client = SessionsClient::from_env()?;
/// println!("{} is {}", client.api_url(), client.check_health().send()?);
/// println!("waits {:?} for an answer, with {:?}", client.timeout(), client.retries());
///
/// let session = client.get_session(&id).send()?;
/// client.upload_file(&id, "in.txt", "2\n1\n").overwrite(true).send()?;
/// client.run_command(&id, "sort in.txt").env("LC_ALL", "C").send()?;
/// client.run_code(&id, "print(open('in.txt').read())").send()?;
/// let content = client.download_file(&id, "in.txt").send()?.bytes(1024)?;
/// client.pause_session(&id).send()?;
/// client.resume_session(&id).send()?;
/// client.delete_session(&id).send()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionsClient(crate::SessionsClient);

impl SessionsClient {
    /// A client with default settings; see [`SessionsClient::new`](crate::SessionsClient::new).
    ///
    /// # Errors
    ///
    /// As [`SessionsClientBuilder::build`].
    pub fn new(url: impl Into<String>, token: impl Into<SecretString>) -> Result<Self, Error> {
        Self::builder().url(url).token(token).build_blocking()
    }

    /// Settings for a client, made with [`build_blocking`](SessionsClientBuilder::build_blocking).
    ///
    /// ```
    /// use sandbox_sessions::RetryPolicy;
    /// use sandbox_sessions::blocking::SessionsClient;
    ///
    /// let client = SessionsClient::builder()
    ///     .url("https://api.sandbox.example.com/v1")
    ///     .token("your-token-here")
    ///     .retries(RetryPolicy::none())
    ///     .build_blocking()?;
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    pub fn builder() -> SessionsClientBuilder {
        crate::SessionsClient::builder()
    }

    /// A client for the API that `SANDBOX_API_URL` and `SANDBOX_API_TOKEN` name.
    ///
    /// # Errors
    ///
    /// As [`SessionsClientBuilder::from_env`] and [`SessionsClientBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        SessionsClientBuilder::from_env()?.build_blocking()
    }

    /// Only for clients whose connections no other runtime has made.
    pub(super) fn wrap(client: crate::SessionsClient) -> Self {
        Self(client)
    }

    #[cfg(feature = "ssh")]
    pub(super) fn inner(&self) -> &crate::SessionsClient {
        &self.0
    }

    /// The API's base URL, without a trailing slash.
    #[must_use]
    pub fn api_url(&self) -> &str {
        self.0.api_url()
    }

    /// How long one HTTP request may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.0.timeout()
    }

    /// How requests that failed are repeated.
    pub fn retries(&self) -> &RetryPolicy {
        self.0.retries()
    }

    /// Creates a session; it is ready for use when the request returns.
    ///
    /// ```no_run
    /// # fn example(client: sandbox_sessions::blocking::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// let session = client.create_session().image("python:3.11").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_session(&self) -> Request<CreateSession> {
        Request::new(self.0.create_session())
    }

    /// One page of the caller's live sessions, the oldest first, or [all](Request::iter) of them.
    pub fn list_sessions(&self) -> Request<ListSessions> {
        Request::new(self.0.list_sessions())
    }

    /// The session as it is now.
    pub fn get_session(&self, id: &SessionId) -> Request<GetSession> {
        Request::new(self.0.get_session(id))
    }

    /// Ends a session with everything that runs and is stored in it.
    pub fn delete_session(&self, id: &SessionId) -> Request<DeleteSession> {
        Request::new(self.0.delete_session(id))
    }

    /// Runs code in a session and waits for its end.
    pub fn run_code(&self, id: &SessionId, code: impl Into<String>) -> Request<RunCode> {
        Request::new(self.0.run_code(id, code))
    }

    /// Runs a shell command in a session and waits for its end.
    pub fn run_command(&self, id: &SessionId, command: impl Into<String>) -> Request<RunCommand> {
        Request::new(self.0.run_command(id, command))
    }

    /// Writes a file in a session. A relative path starts at `/workspace`.
    pub fn upload_file(
        &self,
        id: &SessionId,
        path: impl Into<String>,
        content: impl Into<FileContent>,
    ) -> Request<UploadFile> {
        Request::new(self.0.upload_file(id, path, content))
    }

    /// Reads a file of a session. A relative path starts at `/workspace`.
    pub fn download_file(&self, id: &SessionId, path: impl Into<String>) -> Request<DownloadFile> {
        Request::new(self.0.download_file(id, path))
    }

    /// Suspends everything that runs in a session and keeps its memory and files. Its time to live runs on.
    pub fn pause_session(&self, id: &SessionId) -> Request<PauseSession> {
        Request::new(self.0.pause_session(id))
    }

    /// Lets everything in a paused session go on where it was.
    pub fn resume_session(&self, id: &SessionId) -> Request<ResumeSession> {
        Request::new(self.0.resume_session(id))
    }

    /// Whether the API is able to serve.
    pub fn check_health(&self) -> Request<CheckHealth> {
        Request::new(self.0.check_health())
    }
}

impl SessionsClientBuilder {
    /// Makes a client whose methods wait. Nothing is sent yet.
    ///
    /// An own [`http_client`](Self::http_client) must not be in use on a runtime as well: its connections would
    /// belong to one or the other.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// ```
    /// use std::time::Duration;
    /// use sandbox_sessions::blocking::SessionsClient;
    ///
    /// let client = SessionsClient::builder()
    ///     .url("https://api.sandbox.example.com/v1")
    ///     .token("your-token-here")
    ///     .timeout(Duration::from_secs(10))
    ///     .build_blocking()?;
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    pub fn build_blocking(self) -> Result<SessionsClient, Error> {
        self.build().map(SessionsClient::wrap)
    }
}

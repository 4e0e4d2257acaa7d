use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sandbox_api::hooks::{BearerToken, Hooks};
use secrecy::SecretString;

use crate::api_url::ApiUrl;
use crate::builder::HttpSource;
use crate::requests::{
    CheckHealth, CreateSession, DeleteSession, DownloadFile, GetSession, ListSessions, PauseSession,
    ResumeSession, RunCode, RunCommand, UploadFile,
};
use crate::{Error, FileContent, RetryPolicy, SessionId, SessionsClientBuilder};

/// A client of the Sandbox API.
///
/// Cloning is cheap, and clones share one pool of connections. Dropping the last clone closes the
/// connections; it ends no session. A session ends when it is deleted or when its time to live has passed,
/// even if this process is killed.
///
/// Its methods return requests: optional settings are chained, and awaiting the request sends it.
///
/// ```no_run
/// use std::time::Duration;
/// use sandbox_sessions::SessionsClient;
///
/// # async fn example() -> Result<(), sandbox_sessions::Error> {
/// let client = SessionsClient::from_env()?;
/// let session = client.create_session().ttl(Duration::from_secs(600)).image("python:3.11").await?;
/// let result = session.run_code("print(6 * 7)").timeout(Duration::from_secs(30)).await?;
/// assert_eq!(result.stdout(), "42\n");
/// session.delete().await?;
/// # Ok(())
/// # }
/// ```
///
/// What has only an identifier of a session goes through the client:
///
/// ```no_run
/// # use sandbox_sessions::{Error, SessionId, SessionsClient};
/// # async fn example(client: SessionsClient, id: SessionId) -> Result<(), Error> {
/// client.upload_file(&id, "in.txt", "3\n1\n2\n").await?;
/// client.run_command(&id, "sort in.txt > out.txt").await?;
/// client.run_code(&id, "print(open('out.txt').read())").await?;
/// let sorted = client.download_file(&id, "out.txt").await?.bytes(1024).await?;
///
/// client.pause_session(&id).await?;
/// client.resume_session(&id).await?;
/// println!("the API is {}, the {}", client.check_health().await?, client.get_session(&id).await?);
/// client.delete_session(&id).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionsClient(Arc<Inner>);

struct Inner {
    api: sandbox_api::Client,
    token: BearerToken,
    http: HttpSource,
    /// The same with connections of its own, for the thread that outlives the caller's runtimes.
    for_background: OnceLock<SessionsClient>,
    url: ApiUrl,
    timeout: Duration,
    retries: RetryPolicy,
    /// `None` with an HTTP client of the caller's own.
    #[cfg(feature = "ssh")]
    tunnels: Option<crate::ssh::TunnelSettings>,
    /// Whether the API has shown that it knows the header `Idempotency-Key`.
    knows_idempotency_keys: AtomicBool,
}

impl SessionsClient {
    /// A client with default settings for the API at `url`, such as `https://api.sandbox.example.com/v1`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sandbox_sessions::SessionsClient;
    ///
    /// let client = SessionsClient::new("https://api.sandbox.example.com/v1/", "your-token-here")?;
    /// assert_eq!(client.api_url(), "https://api.sandbox.example.com/v1");
    /// assert_eq!(client.timeout(), Duration::from_secs(30));
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`SessionsClientBuilder::build`].
    pub fn new(url: impl Into<String>, token: impl Into<SecretString>) -> Result<Self, Error> {
        Self::builder().url(url).token(token).build()
    }

    /// Settings for a client.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sandbox_sessions::SessionsClient;
    ///
    /// let client = SessionsClient::builder()
    ///     .url("https://api.sandbox.example.com/v1")
    ///     .token("your-token-here")
    ///     .timeout(Duration::from_secs(10))
    ///     .build()?;
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    pub fn builder() -> SessionsClientBuilder {
        SessionsClientBuilder::new()
    }

    /// A client for the API that `SANDBOX_API_URL` and `SANDBOX_API_TOKEN` name. For further settings, or for
    /// variables that are not the process's own, see [`SessionsClientBuilder::from_env`] and
    /// [`from_lookup`](SessionsClientBuilder::from_lookup).
    ///
    /// # Errors
    ///
    /// As [`SessionsClientBuilder::from_env`] and [`SessionsClientBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        SessionsClientBuilder::from_env()?.build()
    }

    pub(crate) fn assemble(
        url: ApiUrl,
        token: BearerToken,
        timeout: Duration,
        retries: RetryPolicy,
        http: HttpSource,
    ) -> Result<Self, Error> {
        let hooks = Hooks::bearer(token.clone());
        let api = sandbox_api::Client::new_with_client(url.as_url().clone(), http.client(&url)?, hooks);
        #[cfg(feature = "ssh")]
        let tunnels = http.tunnels(&url, &token)?;
        Ok(Self(Arc::new(Inner {
            api,
            token,
            http,
            for_background: OnceLock::new(),
            url,
            timeout,
            retries,
            #[cfg(feature = "ssh")]
            tunnels,
            knows_idempotency_keys: AtomicBool::new(false),
        })))
    }

    /// A client for requests on another runtime: a connection works only while the runtime does on which it was
    /// made.
    pub(crate) fn for_background(&self) -> Result<Self, Error> {
        if let Some(client) = self.0.for_background.get() {
            return Ok(client.clone());
        }
        let inner = &self.0;
        let client = Self::assemble(
            inner.url.clone(),
            inner.token.clone(),
            inner.timeout,
            inner.retries.clone(),
            inner.http.clone(),
        )?;
        Ok(inner.for_background.get_or_init(|| client).clone())
    }

    #[cfg(feature = "ssh")]
    pub(crate) fn tunnels(&self) -> Result<&crate::ssh::TunnelSettings, Error> {
        self.0.tunnels.as_ref().ok_or_else(|| {
            Error::invalid_argument(
                "http_client",
                "does not carry SSH; connect by a client without an own one",
            )
        })
    }

    pub(crate) fn api(&self) -> &sandbox_api::Client {
        &self.0.api
    }

    /// Whether creation can be repeated with a key of this crate's making. An API that does not know the header
    /// would ignore it and create a second session.
    pub(crate) fn knows_idempotency_keys(&self) -> bool {
        self.0.knows_idempotency_keys.load(Ordering::Relaxed)
    }

    pub(crate) fn note_idempotency_keys(&self) {
        self.0.knows_idempotency_keys.store(true, Ordering::Relaxed);
    }

    /// The API's base URL, without a trailing slash.
    #[must_use]
    pub fn api_url(&self) -> &str {
        self.0.url.as_str()
    }

    /// How long one HTTP request may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// How requests that failed are repeated.
    ///
    /// ```
    /// use sandbox_sessions::{RetryPolicy, SessionsClient};
    ///
    /// let client = SessionsClient::new("https://api.sandbox.example.com/v1", "your-token-here")?;
    /// assert_eq!(*client.retries(), RetryPolicy::default());
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    pub fn retries(&self) -> &RetryPolicy {
        &self.0.retries
    }

    /// Creates a session; it is ready for use when the request returns.
    pub fn create_session(&self) -> CreateSession {
        CreateSession::new(self.clone())
    }

    /// One page of the caller's live sessions, the oldest first.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// for session in client.list_sessions().await? {
    ///     println!("{session}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_sessions(&self) -> ListSessions {
        ListSessions::new(self.clone())
    }

    /// The session as it is now.
    pub fn get_session(&self, id: &SessionId) -> GetSession {
        GetSession::new(self.clone(), *id)
    }

    /// Ends a session with everything that runs and is stored in it.
    pub fn delete_session(&self, id: &SessionId) -> DeleteSession {
        DeleteSession::new(self.clone(), *id)
    }

    /// Runs code in a session and waits for its end.
    pub fn run_code(&self, id: &SessionId, code: impl Into<String>) -> RunCode {
        RunCode::new(self.clone(), *id, code.into())
    }

    /// Runs a shell command in a session and waits for its end.
    pub fn run_command(&self, id: &SessionId, command: impl Into<String>) -> RunCommand {
        RunCommand::new(self.clone(), *id, command.into())
    }

    /// Writes a file in a session. A relative path starts at `/workspace`.
    pub fn upload_file(
        &self,
        id: &SessionId,
        path: impl Into<String>,
        content: impl Into<FileContent>,
    ) -> UploadFile {
        UploadFile::new(self.clone(), *id, path.into(), content.into())
    }

    /// Reads a file of a session. A relative path starts at `/workspace`.
    pub fn download_file(&self, id: &SessionId, path: impl Into<String>) -> DownloadFile {
        DownloadFile::new(self.clone(), *id, path.into())
    }

    /// Suspends everything that runs in a session and keeps its memory and files. Its time to live runs on.
    pub fn pause_session(&self, id: &SessionId) -> PauseSession {
        PauseSession::new(self.clone(), *id)
    }

    /// Lets everything in a paused session go on where it was.
    pub fn resume_session(&self, id: &SessionId) -> ResumeSession {
        ResumeSession::new(self.clone(), *id)
    }

    /// Connects to a session over SSH.
    ///
    /// ```no_run
    /// # use sandbox_sessions::{Error, SessionId, SessionsClient};
    /// # async fn example(client: SessionsClient, id: SessionId) -> Result<(), Error> {
    /// let ssh = client.ssh(&id).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "ssh")]
    pub fn ssh(&self, id: &SessionId) -> crate::ssh::SessionSshClientBuilder {
        crate::ssh::SessionSshClientBuilder::new(self.clone(), *id)
    }

    /// Whether the API is able to serve.
    pub fn check_health(&self) -> CheckHealth {
        CheckHealth::new(self.clone())
    }
}

impl fmt::Debug for SessionsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsClient")
            .field("url", &self.api_url())
            .field("timeout", &self.timeout())
            .field("retries", self.retries())
            .finish_non_exhaustive()
    }
}

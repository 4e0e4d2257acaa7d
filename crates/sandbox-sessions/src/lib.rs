//! Client SDK for sandbox sessions: short-lived isolated machines in which somebody else's code runs.
//!
//! ```no_run
//! use std::time::Duration;
//! use sandbox_sessions::SessionsClient;
//!
//! # async fn example() -> Result<(), sandbox_sessions::Error> {
//! let client = SessionsClient::from_env()?;
//! let session = client.create_session().ttl(Duration::from_secs(600)).await?;
//! let result = session.run_code("print(6 * 7)").timeout(Duration::from_secs(30)).await?;
//! assert_eq!(result.stdout(), "42\n");
//! session.delete().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`SessionsClient`] is the way in. Its methods return requests: what is required is passed when they are
//! made, what is optional is chained, and awaiting a request checks its values and sends it. A value outside
//! its bounds fails before anything is sent. Everything that can fail does so with the one type [`Error`].
//!
//! Sessions end when they are deleted or when their time to live has passed, and not when a handle is
//! dropped: delete what is no longer needed, or let a [guard](Session::delete_on_drop) do it, and choose a time
//! to live that suits the purpose, for the time when deleting fails.
//!
//! The client needs a Tokio runtime with time and I/O enabled. The proxies that the environment names
//! (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`) are honoured, except for an API on the machine's own loopback
//! address. Redirects are not followed, so that a token never goes to a host it was not meant for.
//!
//! Requests that failed are repeated where that can do no harm, with growing random pauses and within limits
//! that can be set: see [`RetryPolicy`].
//!
//! Each operation is traced in a [`tracing`] span named `request`, at the level `DEBUG`, with the fields
//! `operation`, `session`, `attempts`, `status` and `request_id`; and each decision to repeat a request is an
//! event at the level `INFO`, with the attempt that failed, the reason and the pause. Neither ever has code,
//! output, metadata or the token.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `blocking` | the module `blocking`: the same client without `async`, for any thread |
//! | `schemars` | the module `parameters`: what requests take as JSON, with JSON schemas for the tool definitions of language models |
//! | `ssh` (default) | the module `ssh`: SSH, SFTP and port forwarding to sessions |
//!
//! None changes what is there without it.
//!
//! # Dropping and cancelling
//!
//! Nothing runs on behind a dropped future of this crate: no task is spawned, and no further attempt is made. What
//! has been sent may still be carried out. What that means, request by request, when a future is dropped before
//! its end, for instance by a timeout around it:
//!
//! | dropped | what is left |
//! | --- | --- |
//! | a request that was never awaited | nothing was sent |
//! | [`CreateSession`] | perhaps a session of which nobody knows the identifier, until its time to live has passed; the same [`idempotency_key`](CreateSession::idempotency_key) finds it again |
//! | [`GetSession`], [`ListSessions`], [`CheckHealth`] | nothing |
//! | [`DeleteSession`] | perhaps the session; deleting it again is safe |
//! | [`RunCode`], [`RunCommand`] | the code may run on until its own timeout, or until the server notices that nobody waits for it |
//! | [`PauseSession`], [`ResumeSession`] | either state; [`Session::refresh`] tells. The methods of [`Session`] change the handle only when they succeed |
//! | [`UploadFile`] | the old file or none, unless the last bytes had been sent: then perhaps the new one. Never a part of it |
//! | [`DownloadFile`] | nothing |
//! | [`Download::chunk`], [`SessionStream::next`] | nothing is lost: the next call goes on |
//! | [`Download::bytes`], [`Download::write_to`], a [`Download`] itself | the connection is closed; what was written stays written |
//! | [`WaitUntil`] | the handle has the last state that was told |
//! | [`SessionGuard::delete`] | the guard's drop, which deletes the session |
//! | a [`SessionGuard`] | the session is deleted by a thread in the background, for which the drop waits a moment |
//! | a [`Session`], a [`SessionsClient`] | the session lives on; the last clone of a client closes the connections |
//!
//! A panic drops what it unwinds. A process that exits or is killed drops nothing, and only the time to live ends
//! its sessions.
//!
//! # Examples
//!
//! Complete programs are in the crate's folder `examples`: `basic_session`, `listing_and_pagination`, `run_code`,
//! `error_handling` and `batch_operations` are those of the Python SDK; `run_command`, `files`, `session_details`,
//! `client_settings`, `clean_up`, `retries` and `blocking` show one thing each; `tour` checks an API from end to end.
//!
//! # Coming from Python
//!
//! | Python | Rust |
//! | --- | --- |
//! | `SessionsClient(api_url, bearer_token)` | [`SessionsClient::new`]`(url, token)?` |
//! | `SessionsClient(…, timeout=30, verify_ssl=True)` | [`SessionsClient::builder`]`()`, with [`timeout`], [`root_certificates_pem`], [`danger_accept_invalid_certs`] |
//! | `SANDBOX_API_URL`, `SANDBOX_API_TOKEN` | [`SessionsClient::from_env`]`()?` |
//! | `with SessionsClient(…) as client:`, `client.close()` | dropping the last clone closes the connections; [`Session::delete_on_drop`] makes a session end with its scope |
//! | `create_session(ttl, image, metadata, ssh_public_key)` | [`create_session`]`().ttl(…).image(…).metadata(…).ssh_public_key(…).await?` |
//! | `list_sessions(limit, offset)` | [`list_sessions`]`().limit(…).offset(…).await?`; all of them with [`stream`](ListSessions::stream)`()` |
//! | `result['sessions']`, `['total']`, `['limit']`, `['offset']` | [`SessionPage`]: `sessions()`, `total()`, `limit()`, `offset()` |
//! | `get_session(session_id)` | [`get_session`]`(&id).await?` |
//! | `delete_session(session_id)` | [`delete_session`]`(&id).await?`, [`Session::delete`]`().await?` |
//! | `run_code(session_id, code, language, timeout)` | [`run_code`]`(&id, code).language(…).timeout(…).await?`, [`Session::run_code`] |
//! | `result['status']`, `['exitCode']`, `['stdout']`, `['stderr']` | [`CommandResult`]: `status()`, `exit_code()`, `stdout()`, `stderr()` |
//! | `session.session_id` and the other attributes | [`Session`]: `id()`, `status()`, `created_at()`, … |
//! | `session.to_dict()` | `serde_json::to_value(&session)?` |
//! | `repr(session)` | `Debug`; `Display` is shorter |
//! | `SessionStatus.RUNNING`, `.value` | [`SessionStatus::Running`], `Display` |
//! | `SessionSSHClient(…)`: `run_command`, `upload_file`, `download_file`, `open_sftp` | `session.ssh().await?`: `run_command`, `upload`, `download`, `sftp`; see the module `ssh` |
//! | retries and rate limits, by hand | built in: [`RetryPolicy`], [`Error::attempts`] |
//! | `SandboxAPIError` and its kinds, `ValueError` | [`Error`] and its [`ErrorKind`]s |
//! | `test_sessions_sdk.py` | the example `tour` |
//! | best practice: retries with backoff, rate limits | built in, see [`RetryPolicy`] |
//! | code without `await` | the feature `blocking` |
//!
//! Beyond the Python SDK there are [`run_command`] with an environment, [`upload_file`] and
//! [`download_file`], which stream, [`pause_session`] and [`resume_session`], and [`check_health`].
//!
//! [`timeout`]: SessionsClientBuilder::timeout
//! [`root_certificates_pem`]: SessionsClientBuilder::root_certificates_pem
//! [`danger_accept_invalid_certs`]: SessionsClientBuilder::danger_accept_invalid_certs
//! [`create_session`]: SessionsClient::create_session
//! [`list_sessions`]: SessionsClient::list_sessions
//! [`get_session`]: SessionsClient::get_session
//! [`delete_session`]: SessionsClient::delete_session
//! [`run_code`]: SessionsClient::run_code
//! [`run_command`]: SessionsClient::run_command
//! [`upload_file`]: SessionsClient::upload_file
//! [`download_file`]: SessionsClient::download_file
//! [`pause_session`]: SessionsClient::pause_session
//! [`resume_session`]: SessionsClient::resume_session
//! [`check_health`]: SessionsClient::check_health

mod api_url;
mod arguments;
mod background;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod client;
mod command_result;
mod environment;
mod error;
mod files;
mod language;
#[cfg(feature = "schemars")]
pub mod parameters;
mod requests;
mod retry;
mod send;
mod session;
mod session_guard;
mod session_id;
mod session_page;
mod session_stream;
#[cfg(feature = "ssh")]
pub mod ssh;
mod token;

pub use builder::SessionsClientBuilder;
pub use client::SessionsClient;
pub use command_result::CommandResult;
pub use environment::{API_TOKEN_VARIABLE, API_URL_VARIABLE};
pub use error::{Error, ErrorKind, RateLimit};
pub use files::{Download, FileContent, FileInfo};
pub use language::Language;
pub use requests::{
    CheckHealth, CreateSession, DeleteSession, DownloadFile, GetSession, ListSessions, PauseSession,
    RequestFuture, ResumeSession, RunCode, RunCommand, UploadFile, WaitUntil,
};
pub use retry::RetryPolicy;
pub use sandbox_api::open::{CommandStatus, HealthStatus, SessionStatus};
pub use secrecy::SecretString;
pub use session::Session;
pub use session_guard::SessionGuard;
pub use session_id::SessionId;
pub use session_page::SessionPage;
pub use session_stream::SessionStream;
#[cfg(feature = "ssh")]
pub use ssh::SessionSshClient;

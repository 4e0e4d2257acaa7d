//! Requests, one file each: required values are given when they are made, optional ones are chained, and
//! awaiting one checks its values and sends it.

mod check_health;
mod create_session;
mod delete_session;
mod download_file;
mod get_session;
mod list_sessions;
mod pause_session;
mod pauses;
mod resume_session;
mod run_code;
mod run_command;
mod upload_file;
mod wait_until;

use std::pin::Pin;

use crate::Error;

pub use check_health::CheckHealth;
pub use create_session::CreateSession;
pub use delete_session::DeleteSession;
pub use download_file::DownloadFile;
pub use get_session::GetSession;
pub use list_sessions::ListSessions;
pub use pause_session::PauseSession;
pub use resume_session::ResumeSession;
pub use run_code::RunCode;
pub use run_command::RunCommand;
pub use upload_file::UploadFile;
pub use wait_until::WaitUntil;

#[cfg(feature = "blocking")]
pub(crate) use pauses::Pauses;

/// The future of a request that is being sent. Dropping it abandons the request and makes no further attempt;
/// the API may still carry out what it has received.
///
/// ```no_run
/// use sandbox_sessions::{RequestFuture, Session, SessionsClient};
///
/// /// Several requests are several futures of one type, which can be kept together.
/// fn creations(client: &SessionsClient, count: usize) -> Vec<RequestFuture<Session>> {
///     (0..count).map(|_| client.create_session().into_future()).collect()
/// }
/// # async fn example(client: SessionsClient) {
/// for result in futures_util::future::join_all(creations(&client, 3)).await {
///     println!("{result:?}");
/// }
/// # }
/// ```
pub type RequestFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

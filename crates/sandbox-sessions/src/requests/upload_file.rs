use std::fmt;
use std::future::IntoFuture;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Body;

use super::RequestFuture;
use crate::arguments::text;
use crate::files::UploadBody;
use crate::retry::Repeat;
use crate::send::Operation;
use crate::{Error, ErrorKind, FileContent, FileInfo, SessionId, SessionsClient};

/// A request to write a file in a session, made by [`SessionsClient::upload_file`] or
/// [`Session::upload_file`](crate::Session::upload_file); awaiting it sends it.
///
/// The file appears under its name when it is complete, and not at all if anything fails before: dropping the
/// future abandons the upload. Missing folders above the file are made.
///
/// An upload may take as long as it needs. It fails with [`ErrorKind::Timeout`] when the network takes
/// nothing more, or the answer does not come, for the client's
/// [`timeout`](crate::SessionsClientBuilder::timeout). Waiting for a stream to yield its next piece does not
/// count, but the API has patience of its own and ends an upload of which it hears nothing for long.
///
/// Bytes and text are sent again if an attempt surely was not carried out; streams and files are used up by the
/// first attempt, whose failure is final.
///
/// ```no_run
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// let file = session.upload_file("data/in.csv", "a,b\n1,2\n").overwrite(true).await?;
/// assert_eq!(file.path(), "/workspace/data/in.csv");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`], before anything is sent, for a path that is empty, holds a NUL character or
/// is longer than 4000 characters; and the same kind with the cause as its
/// [`source`](std::error::Error::source) if the content itself cannot be read. Otherwise any kind: a file that
/// is there already is an [`Operation`](ErrorKind::Operation) error with the code `FILE_EXISTS`, and one that
/// is larger than the API takes, or than the session has room for, has the status 413.
#[must_use = "a request is sent only when it is awaited"]
pub struct UploadFile {
    client: SessionsClient,
    id: SessionId,
    path: String,
    content: FileContent,
    overwrite: bool,
}

impl UploadFile {
    pub(crate) fn new(client: SessionsClient, id: SessionId, path: String, content: FileContent) -> Self {
        Self {
            client,
            id,
            path,
            content,
            overwrite: false,
        }
    }

    /// Whether a file that is there already is replaced. By default it is an error.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }
}

impl IntoFuture for UploadFile {
    type Output = Result<FileInfo, Error>;
    type IntoFuture = RequestFuture<FileInfo>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                client,
                id,
                path,
                content,
                overwrite,
            } = self;
            let operation = Operation::on("upload file", id);
            let path = text("path", path)?;
            let body = UploadBody::new(content)
                .await
                .map_err(|error| unreadable(operation, error))?;
            let operation = if body.again().is_some() {
                operation
            } else {
                operation.repeat(Repeat::Never)
            };
            let progress = body.progress();
            let body = Mutex::new(Some(body));
            let next_body = || {
                let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
                let next = body.as_ref().and_then(UploadBody::again);
                next.or_else(|| body.take()).map(Body::wrap).unwrap_or_default()
            };
            let call = async || {
                progress.network_is_busy();
                let answer = client
                    .api()
                    .upload_file(id.as_uuid(), Some(overwrite), &path, next_body())
                    .await;
                // Nothing is under way until the next attempt, if there is one.
                progress.network_is_idle();
                answer
            };
            let patience = client.timeout();
            let result = tokio::select! {
                biased;
                result = client.send(operation, Duration::MAX, call) => result,
                () = progress.stalled(patience) => {
                    let message = format!("the upload did not get on for {patience:?}");
                    Err(Error::new(ErrorKind::Timeout, message).during(operation.name()))
                }
            };
            match (result, progress.take_failure()) {
                (Ok(info), _) => Ok(FileInfo::new(info)),
                (Err(_), Some(failure)) => Err(unreadable(operation, failure)),
                (Err(error), None) => Err(error),
            }
        })
    }
}

fn unreadable(operation: Operation, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidArgument, "content cannot be read")
        .with_source(error)
        .during(operation.name())
}

impl fmt::Debug for UploadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadFile")
            .field("id", &self.id)
            .field("path", &self.path)
            .field("content", &self.content)
            .field("overwrite", &self.overwrite)
            .finish_non_exhaustive()
    }
}

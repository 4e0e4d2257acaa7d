use std::future::IntoFuture;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap};
use sandbox_api::{ByteStream, ResponseValue, types as wire};
use serde::de::Error as _;

use super::RequestFuture;
use crate::arguments::text;
use crate::files::DOWNLOAD;
use crate::retry::Repeat;
use crate::send::Operation;
use crate::{Download, Error, SessionId, SessionsClient};

/// A request to read a file of a session, made by [`SessionsClient::download_file`] or
/// [`Session::download_file`](crate::Session::download_file); awaiting it sends it and returns when the
/// answer begins. The [`Download`] is then the file's content.
///
/// The client's [`timeout`](crate::SessionsClientBuilder::timeout) bounds the time until the answer begins,
/// and then the time between any two pieces of it, but not the whole.
///
/// ```no_run
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// let text = session.download_file("data/out.csv").await?.bytes(1024 * 1024).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), before anything is sent, for a path that
/// is empty, holds a NUL character or is longer than 4000 characters; otherwise any kind. A file that does not
/// exist is an [`Operation`](crate::ErrorKind::Operation) error with the code `FILE_NOT_FOUND`.
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct DownloadFile {
    client: SessionsClient,
    id: SessionId,
    path: String,
}

impl DownloadFile {
    pub(crate) fn new(client: SessionsClient, id: SessionId, path: String) -> Self {
        Self { client, id, path }
    }
}

impl IntoFuture for DownloadFile {
    type Output = Result<Download, Error>;
    type IntoFuture = RequestFuture<Download>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client, id, path } = self;
            let path = text("path", path)?;
            let operation = Operation::on(DOWNLOAD, id).repeat(Repeat::Always);
            let patience = client.timeout();
            let call = async || {
                let answer = client.api().download_file(id.as_uuid(), &path).await?;
                if !is_file(answer.headers()) {
                    return Err(not_a_file(answer).await);
                }
                let (status, headers) = (answer.status(), answer.headers().clone());
                let download = Download::new(patience, &headers, answer.into_inner());
                Ok(ResponseValue::new(download, status, headers))
            };
            client.send(operation, patience, call).await
        })
    }
}

const FILE: &str = "application/octet-stream";

/// Whether an answer is a file, and not what a proxy has to say. Servers in the field may give a file the type of its
/// content, but then they call it an attachment.
fn is_file(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_DISPOSITION) || media_type(headers).eq_ignore_ascii_case(FILE)
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

async fn not_a_file(answer: ResponseValue<ByteStream>) -> sandbox_api::Error<wire::Error> {
    let reason = format!(
        "its type is {:?} instead of {FILE:?}",
        media_type(answer.headers())
    );
    let mut content = answer.into_inner().into_inner();
    let beginning = content.next().await.and_then(Result::ok);
    sandbox_api::Error::InvalidResponsePayload(
        beginning.unwrap_or_else(Bytes::new),
        serde_json::Error::custom(reason),
    )
}

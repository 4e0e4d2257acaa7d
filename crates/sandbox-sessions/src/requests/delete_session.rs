use std::future::IntoFuture;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use sandbox_api::{ResponseValue, types as wire};
use serde::de::IgnoredAny;

use super::RequestFuture;
use crate::retry::Repeat;
use crate::send::{Answer, Operation};
use crate::{Error, ErrorKind, SessionId, SessionsClient};

/// A request to end a session, made by [`SessionsClient::delete_session`] or
/// [`Session::delete`](crate::Session::delete); awaiting it sends it.
///
/// If the answer is lost and the request is repeated, a session that is not found the second time counts as
/// deleted: the first attempt has done it.
///
/// ```no_run
/// use sandbox_sessions::ErrorKind;
///
/// # use sandbox_sessions::{Error, SessionId, SessionsClient};
/// # async fn example(client: SessionsClient, id: SessionId) -> Result<(), Error> {
/// match client.delete_session(&id).await {
///     Err(error) if error.kind() == ErrorKind::SessionNotFound => {} // it has ended already
///     deleted => deleted?,
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::SessionNotFound`](crate::ErrorKind::SessionNotFound) if the session does not exist, has ended
/// already or belongs to somebody else; otherwise any kind but
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct DeleteSession {
    client: SessionsClient,
    id: SessionId,
}

impl DeleteSession {
    pub(crate) fn new(client: SessionsClient, id: SessionId) -> Self {
        Self { client, id }
    }
}

impl IntoFuture for DeleteSession {
    type Output = Result<(), Error>;
    type IntoFuture = RequestFuture<()>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client, id } = self;
            let operation = Operation::on("delete session", id).repeat(Repeat::Always);
            let call = async || accept_any_success(client.api().delete_session(id.as_uuid()).await);
            match client.send(operation, client.timeout(), call).await {
                // The session is gone because an earlier attempt, whose answer was lost, has ended it.
                Err(error) if error.kind() == ErrorKind::SessionNotFound && error.maybe_done_before() => {
                    Ok(())
                }
                result => result,
            }
        })
    }
}

/// The contract's answer is a 200 with a message, but the status says it all: servers in the field also
/// answer with a 204, or with a body of their own. A body that is not even JSON did not come from the API.
#[expect(
    clippy::result_large_err,
    reason = "the error is the generated client's, and on its way to becoming ours"
)]
fn accept_any_success(answer: Answer<wire::Message>) -> Answer<()> {
    use sandbox_api::Error as Api;
    let (status, headers) = match answer {
        Ok(answer) => (answer.status(), answer.headers().clone()),
        Err(Api::UnexpectedResponse(response)) if response.status().is_success() => {
            (response.status(), response.headers().clone())
        }
        Err(Api::InvalidResponsePayload(body, _))
            if body.is_empty() || serde_json::from_slice::<IgnoredAny>(&body).is_ok() =>
        {
            (StatusCode::OK, HeaderMap::new())
        }
        Err(error) => return Err(error),
    };
    Ok(ResponseValue::new((), status, headers))
}

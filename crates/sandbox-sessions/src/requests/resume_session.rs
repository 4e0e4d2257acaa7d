use std::future::IntoFuture;

use super::RequestFuture;
use crate::send::Operation;
use crate::{Error, Session, SessionId, SessionsClient};

/// A request to let a paused session go on, made by [`SessionsClient::resume_session`]; awaiting it sends it
/// and returns the session as it is then.
///
/// ```no_run
/// use sandbox_sessions::SessionStatus;
///
/// # use sandbox_sessions::{Error, SessionId, SessionsClient};
/// # async fn example(client: SessionsClient, id: SessionId) -> Result<(), Error> {
/// let session = client.resume_session(&id).await?;
/// assert_eq!(*session.status(), SessionStatus::Running);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::SessionNotFound`](crate::ErrorKind::SessionNotFound) if the session does not exist, has ended
/// or belongs to somebody else; [`Operation`](crate::ErrorKind::Operation) with the code `INVALID_STATE` if
/// it is not paused, or `UNSUPPORTED` if the API's sandboxes cannot be paused; otherwise any kind but
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct ResumeSession {
    client: SessionsClient,
    id: SessionId,
}

impl ResumeSession {
    pub(crate) fn new(client: SessionsClient, id: SessionId) -> Self {
        Self { client, id }
    }
}

impl IntoFuture for ResumeSession {
    type Output = Result<Session, Error>;
    type IntoFuture = RequestFuture<Session>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client, id } = self;
            let operation = Operation::on("resume session", id);
            let call = || client.api().resume_session(id.as_uuid());
            let state = client.send(operation, client.timeout(), call).await?;
            Ok(Session::new(client, state))
        })
    }
}

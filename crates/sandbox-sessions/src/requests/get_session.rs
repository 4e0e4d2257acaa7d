use std::future::IntoFuture;

use super::RequestFuture;
use crate::retry::Repeat;
use crate::send::Operation;
use crate::{Error, Session, SessionId, SessionsClient};

/// A request for a session's present state, made by [`SessionsClient::get_session`]; awaiting it sends it.
///
/// ```no_run
/// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let id = "550e8400-e29b-41d4-a716-446655440000".parse()?;
/// let session = client.get_session(&id).await?;
/// println!("{} until {}", session.status(), session.expires_at());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::SessionNotFound`](crate::ErrorKind::SessionNotFound) if the session does not exist, has ended
/// or belongs to somebody else; otherwise any kind but
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct GetSession {
    client: SessionsClient,
    id: SessionId,
}

impl GetSession {
    pub(crate) fn new(client: SessionsClient, id: SessionId) -> Self {
        Self { client, id }
    }
}

impl IntoFuture for GetSession {
    type Output = Result<Session, Error>;
    type IntoFuture = RequestFuture<Session>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client, id } = self;
            let operation = Operation::on("get session", id).repeat(Repeat::Always);
            let call = || client.api().get_session(id.as_uuid());
            let state = client.send(operation, client.timeout(), call).await?;
            Ok(Session::new(client, state))
        })
    }
}

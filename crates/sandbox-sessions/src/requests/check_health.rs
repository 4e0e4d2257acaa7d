use std::future::IntoFuture;

use super::RequestFuture;
use crate::retry::Repeat;
use crate::send::Operation;
use crate::{Error, HealthStatus, SessionsClient};

/// A request for the API's health, made by [`SessionsClient::check_health`]; awaiting it sends it, without
/// the token. It is sent once, whatever the client's [`RetryPolicy`](crate::RetryPolicy): that the API cannot
/// serve is an answer, too.
///
/// ```no_run
/// use sandbox_sessions::HealthStatus;
///
/// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// assert_eq!(client.check_health().await?, HealthStatus::Healthy);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Operation`](crate::ErrorKind::Operation) with the status 503 if the API cannot serve now;
/// otherwise any kind but [`InvalidArgument`](crate::ErrorKind::InvalidArgument),
/// [`Unauthorized`](crate::ErrorKind::Unauthorized) and
/// [`SessionNotFound`](crate::ErrorKind::SessionNotFound).
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct CheckHealth {
    client: SessionsClient,
}

impl CheckHealth {
    pub(crate) fn new(client: SessionsClient) -> Self {
        Self { client }
    }
}

impl IntoFuture for CheckHealth {
    type Output = Result<HealthStatus, Error>;
    type IntoFuture = RequestFuture<HealthStatus>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { client } = self;
            let operation = Operation::new("check health").repeat(Repeat::Never);
            let health = client
                .send(operation, client.timeout(), || client.api().health_check())
                .await?;
            Ok(health.status)
        })
    }
}

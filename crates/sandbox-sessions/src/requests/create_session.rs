use std::future::IntoFuture;
use std::time::Duration;

use sandbox_api::types as wire;
use serde::Serialize;
use serde_json::{Map, Value};

use super::RequestFuture;
use crate::arguments::{check_image, check_ssh_public_key, to_metadata, whole_seconds};
use crate::send::Operation;
use crate::{Error, Session, SessionsClient};

/// A request to create a session, made by [`SessionsClient::create_session`]; awaiting it sends it.
///
/// ```no_run
/// use std::time::Duration;
/// use serde_json::json;
///
/// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
/// let session = client
///     .create_session()
///     .ttl(Duration::from_secs(7200))
///     .image("ubuntu:22.04")
///     .metadata(json!({ "user": "alice", "project": "data-analysis" }))
///     .await?;
/// println!("{} ends at {}", session.id(), session.expires_at());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), before anything is sent, for a value
/// outside the bounds that its setter states; otherwise any kind but
/// [`SessionNotFound`](crate::ErrorKind::SessionNotFound). An image the API does not have is an
/// [`Operation`](crate::ErrorKind::Operation) error with the code `IMAGE_UNAVAILABLE`.
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct CreateSession {
    client: SessionsClient,
    ttl: Option<Duration>,
    image: Option<String>,
    metadata: Option<Result<Map<String, Value>, Error>>,
    ssh_public_key: Option<String>,
}

impl CreateSession {
    pub(crate) fn new(client: SessionsClient) -> Self {
        Self {
            client,
            ttl: None,
            image: None,
            metadata: None,
            ssh_public_key: None,
        }
    }

    /// The time to live, counted from the creation: whole seconds from 60 to 28800 (8 hours). The API's
    /// default is one hour.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The environment inside the session, such as `python:3.11`: an image reference of 1 to 255 characters.
    /// Which images there are depends on the API, as does the default.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Kept with the session and given back with it: anything that serialises to a JSON object of at most 16
    /// KiB, nested at most 32 levels deep.
    pub fn metadata(mut self, metadata: impl Serialize) -> Self {
        self.metadata = Some(to_metadata(&metadata));
        self
    }

    /// The only key that SSH connections to the session are then accepted with: the line of an OpenSSH `.pub`
    /// file, `algorithm base64 comment`, of at most 16384 characters. White space around it is dropped.
    pub fn ssh_public_key(mut self, line: impl Into<String>) -> Self {
        self.ssh_public_key = Some(line.into());
        self
    }
}

impl IntoFuture for CreateSession {
    type Output = Result<Session, Error>;
    type IntoFuture = RequestFuture<Session>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                client,
                ttl,
                image,
                metadata,
                ssh_public_key,
            } = self;
            let mut body = wire::CreateSessionRequest {
                image: image.map(check_image).transpose()?,
                metadata: metadata.transpose()?,
                ssh_public_key: ssh_public_key.map(check_ssh_public_key).transpose()?,
                ..wire::CreateSessionRequest::default()
            };
            if let Some(ttl) = ttl {
                body.ttl = whole_seconds("ttl", ttl)?;
            }
            let operation = Operation::new("create session");
            let state = client
                .send(operation, client.timeout(), || {
                    client.api().create_session(None, &body)
                })
                .await?;
            Ok(Session::new(client, state))
        })
    }
}

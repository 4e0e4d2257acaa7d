use std::future::IntoFuture;
use std::time::Duration;

use reqwest::header::HeaderMap;
use sandbox_api::bounded::VisibleAscii;
use sandbox_api::types as wire;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::RequestFuture;
use crate::arguments::{check_image, check_ssh_public_key, to_metadata, visible_ascii, whole_seconds};
use crate::retry::Repeat;
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
/// [`Operation`](crate::ErrorKind::Operation) error with the code `IMAGE_NOT_FOUND`.
#[derive(Debug)]
#[must_use = "a request is sent only when it is awaited"]
pub struct CreateSession {
    client: SessionsClient,
    ttl: Option<Duration>,
    image: Option<String>,
    metadata: Option<Result<Map<String, Value>, Error>>,
    ssh_public_key: Option<String>,
    idempotency_key: Option<String>,
}

impl CreateSession {
    pub(crate) fn new(client: SessionsClient) -> Self {
        Self {
            client,
            ttl: None,
            image: None,
            metadata: None,
            ssh_public_key: None,
            idempotency_key: None,
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
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let line = std::fs::read_to_string("id_ed25519.pub")?;
    /// let session = client.create_session().ssh_public_key(line).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ssh_public_key(mut self, line: impl Into<String>) -> Self {
        self.ssh_public_key = Some(line.into());
        self
    }

    /// Names this creation with 1 to 255 visible ASCII characters, so that it can be asked for again: for 24 hours
    /// the API gives requests with the same key and the same settings the session that the first of them created.
    /// Other settings are an [`Operation`](crate::ErrorKind::Operation) error with the code
    /// `IDEMPOTENCY_KEY_REUSED`; if the session has ended meanwhile, the code is `SESSION_ENDED`.
    ///
    /// With a key the client repeats the request also when it cannot know whether a session was created, as
    /// [`RetryPolicy`](crate::RetryPolicy) says; and a program that keeps the key can ask again after it was
    /// restarted. The API must know the header `Idempotency-Key`: one that ignores it creates a second session.
    ///
    /// Without a key of the caller's the client sends a random one with each creation. Because older servers do
    /// not know the header, it relies on such a key only after the API has shown that it knows it, by sending it
    /// back with a session that this client or a clone of it created before. Until then a creation whose answer
    /// was lost is not repeated but an error.
    ///
    /// ```no_run
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), sandbox_sessions::Error> {
    /// let job = "grading/2026-11-23/alice";
    /// let session = client.create_session().idempotency_key(job).await?;
    /// let same = client.create_session().idempotency_key(job).await?;
    /// assert_eq!(session.id(), same.id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
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
                idempotency_key,
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
            let repeat = if idempotency_key.is_some() || client.knows_idempotency_keys() {
                Repeat::Always
            } else {
                Repeat::OnlyIfUnprocessed
            };
            let key = visible_ascii(
                "idempotency key",
                idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string()),
            )?;
            let operation = Operation::new("create session").repeat(repeat);
            let call = async || {
                let answer = client.api().create_session(Some(&key), &body).await;
                if answer
                    .as_ref()
                    .is_ok_and(|answer| sends_back(&key, answer.headers()))
                {
                    client.note_idempotency_keys();
                }
                answer
            };
            let state = client.send(operation, client.timeout(), call).await?;
            Ok(Session::new(client, state))
        })
    }
}

/// Whether an answer shows that the API knows the header.
fn sends_back(key: &VisibleAscii<1, 255>, headers: &HeaderMap) -> bool {
    headers
        .get("idempotency-key")
        .is_some_and(|value| value == key.as_str())
}

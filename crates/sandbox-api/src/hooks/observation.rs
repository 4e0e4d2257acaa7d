//! What an answer said, also when it cannot be returned.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

/// How much of a body is kept, in bytes.
const MAX_BEGINNING: usize = 1024;

/// Watches one request, and keeps of its answer what the generated client's errors leave out: the status, the request's
/// id and the beginning of the body, as far as they arrived.
///
/// It stays readable when the request fails, and also when its future is dropped half-way.
///
/// ```no_run
/// use sandbox_api::{Client, hooks::Observation};
///
/// # async fn example(client: Client, id: uuid::Uuid) {
/// let observation = Observation::default();
/// if let Err(error) = observation.of(client.get_session(&id)).await {
///     eprintln!("{error}, status {:?}, request {:?}", observation.status(), observation.request_id());
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Observation(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    status: Option<StatusCode>,
    request_id: Option<HeaderValue>,
    content_type: Option<HeaderValue>,
    beginning: Vec<u8>,
}

tokio::task_local! {
    static CURRENT: Observation;
}

impl Observation {
    /// Runs `request`, a call of a [`Client`](crate::Client)'s, and watches it.
    pub async fn of<F: Future>(&self, request: F) -> F::Output {
        CURRENT.scope(self.clone(), request).await
    }

    /// The status, if the head of an answer arrived.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.seen().status
    }

    /// The header `X-Request-Id`.
    #[must_use]
    pub fn request_id(&self) -> Option<String> {
        text(self.seen().request_id.as_ref())
    }

    /// The header `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> Option<String> {
        text(self.seen().content_type.as_ref())
    }

    /// The first bytes of the body, at most 1024. Of a file that is downloaded nothing is kept.
    #[must_use]
    pub fn beginning_of_body(&self) -> Vec<u8> {
        self.seen().beginning.clone()
    }

    /// Notes the head of an answer to the request that is being watched, if one is.
    pub(super) fn note_head(response: &Response) {
        Self::note(|seen| {
            seen.status = Some(response.status());
            seen.request_id = response.headers().get("x-request-id").cloned();
            seen.content_type = response.headers().get(CONTENT_TYPE).cloned();
        });
    }

    /// Notes the next piece of its body.
    pub(super) fn note_body(piece: &[u8]) {
        Self::note(|seen| {
            let missing = MAX_BEGINNING.saturating_sub(seen.beginning.len());
            seen.beginning
                .extend_from_slice(piece.get(..missing).unwrap_or(piece));
        });
    }

    fn note(note: impl FnOnce(&mut Seen)) {
        // Nobody watches a request that is sent outside `of`.
        let _ = CURRENT.try_with(|observation| note(&mut observation.seen()));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing that holds the lock can leave half a value behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(header: Option<&HeaderValue>) -> Option<String> {
    header?.to_str().ok().map(str::to_owned)
}

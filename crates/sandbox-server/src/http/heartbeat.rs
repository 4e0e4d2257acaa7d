//! Answers that take long.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use serde::Serialize;
use tokio::time::timeout;

use super::error::ApiError;

/// Clients give up a connection that is silent for 30 s.
const PULSE: Duration = Duration::from_secs(10);

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send>>;

/// Answers with what `work` makes. If that takes long, the answer starts before: JSON may begin with white space, and
/// sending some now and then keeps client and proxies waiting. The status is 200 by then, so an error is turned into
/// an answer by `rescue`.
///
/// Dropping the response drops the work.
pub(super) async fn answer<T, F>(work: F, rescue: fn(ApiError) -> T) -> Result<Response, ApiError>
where
    T: Serialize + Send + 'static,
    F: Future<Output = Result<T, ApiError>> + Send + 'static,
{
    let mut work: Pending<T> = Box::pin(work);
    match timeout(PULSE, &mut work).await {
        Ok(done) => Ok(axum::Json(done?).into_response()),
        Err(_) => Ok(beating(work, rescue)),
    }
}

fn beating<T: Serialize + Send + 'static>(work: Pending<T>, rescue: fn(ApiError) -> T) -> Response {
    let pieces = stream::unfold(Some((work, true)), move |state| async move {
        let (mut work, first) = state?;
        // The first space goes out with the head: the pulse has passed already.
        let wait = if first { Duration::ZERO } else { PULSE };
        match timeout(wait, &mut work).await {
            Ok(done) => Some((json(&done.unwrap_or_else(rescue)), None)),
            Err(_) => Some((Bytes::from_static(b" "), Some((work, false)))),
        }
    });
    let mut response =
        Body::from_stream(futures_util::StreamExt::map(pieces, Ok::<_, Infallible>)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn json(value: &impl Serialize) -> Bytes {
    // Text and numbers in a struct: there is nothing in it that JSON could not say.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn failure() -> ApiError {
        crate::service::Error::internal().into()
    }

    fn rescue(error: ApiError) -> String {
        error.message
    }

    async fn body_after(seconds: u64, outcome: Result<String, ApiError>) -> String {
        let work = async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            outcome
        };
        let response = answer(work, rescue).await.unwrap();
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_starts_with_white_space() {
        assert_eq!(body_after(5, Ok("x".into())).await, "\"x\"");
        assert_eq!(body_after(35, Ok("x".into())).await, "   \"x\"");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_an_error_as_long_as_it_can_be() {
        let early = answer(async { Err::<String, _>(failure()) }, rescue).await;
        assert!(early.is_err());
        let late = body_after(15, Err(failure())).await;
        assert_eq!(late, " \"the server failed to answer\"");
    }
}

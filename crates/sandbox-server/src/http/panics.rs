//! Handlers that fail without an answer.

use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::error::ApiError;
use crate::service::Error;

/// Makes an answer of a panic, so that what is added to every answer is added to this one, too.
pub(super) async fn catch(answer: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(answer)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| ApiError::from(Error::internal().caused_by("a handler panicked")).into_response())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use http::StatusCode;
    use http_body_util::BodyExt;

    use super::super::boundary::boundary;
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_like_any_other() {
        async fn fails() -> Response {
            panic!("the details of which are nobody's business")
        }
        let answer = boundary(Request::new(Body::empty()), |_| catch(fails())).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.headers().contains_key("x-request-id"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["error"], &body["message"]),
            (&"INTERNAL_ERROR".into(), &"the server failed to answer".into())
        );
    }
}

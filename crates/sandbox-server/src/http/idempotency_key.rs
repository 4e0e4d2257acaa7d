//! The key of a request that may be repeated.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponseParts, ResponseParts};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use sandbox_api::bounded::VisibleAscii;

use super::error::ApiError;

const HEADER: &str = "Idempotency-Key";

/// The `Idempotency-Key` of a request, if it has one. An answer sends it back: that tells the client that it was
/// honoured, and not ignored as by servers that do not know the header.
#[derive(Debug)]
pub(super) struct IdempotencyKey(Option<VisibleAscii<1, 255>>);

impl IdempotencyKey {
    pub(super) fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(VisibleAscii::as_str)
    }
}

impl IntoResponseParts for IdempotencyKey {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        // Visible ASCII always fits into a header.
        if let Some(Ok(key)) = self.as_str().map(HeaderValue::from_str) {
            parts
                .headers_mut()
                .insert(HeaderName::from_static("idempotency-key"), key);
        }
        Ok(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        if values.next().is_some() {
            return Err(ApiError::invalid_parameter(HEADER, "is given more than once"));
        }
        // What is not UTF-8 keeps its place among the characters that are not visible ASCII.
        VisibleAscii::new(String::from_utf8_lossy(value.as_bytes()))
            .map(|key| Self(Some(key)))
            .map_err(|error| ApiError::invalid_parameter(HEADER, error))
    }
}

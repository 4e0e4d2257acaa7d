//! The key of a request that may be repeated.

use axum::extract::FromRequestParts;
use http::request::Parts;
use sandbox_api::bounded::VisibleAscii;

use super::error::ApiError;

const HEADER: &str = "Idempotency-Key";

/// The `Idempotency-Key` of a request, if it has one.
#[derive(Debug)]
pub(super) struct IdempotencyKey(pub(super) Option<VisibleAscii<1, 255>>);

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

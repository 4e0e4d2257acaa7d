//! The session in a path.

use axum::extract::{FromRequestParts, RawPathParams};
use http::StatusCode;
use http::request::Parts;

use super::error::ApiError;
use crate::backend::SessionId;

/// The `{sessionId}` of a route. What cannot name a session names none.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionPath(pub(super) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| not_found("this id"))?;
        let raw = params
            .iter()
            .find(|(name, _)| *name == "sessionId")
            .map_or("", |(_, value)| value);
        parse(raw).map(Self)
    }
}

/// The session that a text names. What cannot name one names none.
pub(super) fn parse(raw: &str) -> Result<SessionId, ApiError> {
    raw.parse()
        .map_err(|_| not_found(&format!("{:?}", raw.chars().take(64).collect::<String>())))
}

fn not_found(what: &str) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "SESSION_NOT_FOUND",
        format!("there is no session {what}"),
    )
}

//! One table from what went wrong to what is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::service;

/// A refusal or failure on its way out. [`boundary`](super::boundary) turns it into a body: only there the request's
/// id is known.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    /// For programs.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
    pub(super) details: Map<String, Value>,
    /// In seconds.
    pub(super) retry_after: Option<u64>,
    /// For the log.
    pub(super) source: Option<Arc<service::Error>>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Map::new(),
            retry_after: None,
            source: None,
        }
    }

    /// A request that cannot be understood.
    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    /// A value that is not allowed. Two fields have codes of their own, which clients in the field know.
    pub(super) fn invalid_parameter(field: &str, why: impl std::fmt::Display) -> Self {
        let code = match field {
            "ttl" => "INVALID_TTL",
            "limit" => "INVALID_LIMIT",
            _ => "INVALID_PARAMETER",
        };
        let error = Self::new(StatusCode::BAD_REQUEST, code, format!("{field}: {why}"));
        error.detail("field", field)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "a valid bearer token is required",
        )
    }

    /// The next request can be made after `wait`.
    pub(super) fn rate_limited(wait: Duration) -> Self {
        let wait = whole_seconds(wait);
        let message = format!("too many requests; the next one can be made in {wait} s");
        Self {
            retry_after: Some(wait),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
        }
    }

    pub(super) fn unsupported_media_type(found: Option<&str>, expected: &str) -> Self {
        let message = match found {
            Some(found) => format!("{found:?} is not read here; send {expected}"),
            None => format!("the body has no Content-Type; send {expected}"),
        };
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            message,
        )
    }

    pub(super) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// What the answer says beside its body.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"sandbox\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        let must_say_when = matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        );
        if let Some(wait) = self.retry_after.or(must_say_when.then_some(1)) {
            headers.insert(header::RETRY_AFTER, wait.into());
        }
        headers
    }
}

impl From<service::Error> for ApiError {
    fn from(error: service::Error) -> Self {
        use service::ErrorKind as Kind;
        let (status, code) = match error.kind {
            Kind::InvalidParameter => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER"),
            // The request is what has to change. That of a token has a status of its own, so this is none.
            Kind::ImageNotFound => (StatusCode::BAD_REQUEST, "IMAGE_NOT_FOUND"),
            Kind::ImageUnauthorized => (StatusCode::BAD_REQUEST, "IMAGE_UNAUTHORIZED"),
            Kind::ImageInvalid => (StatusCode::BAD_REQUEST, "IMAGE_INVALID"),
            Kind::ImageTooLarge => (StatusCode::BAD_REQUEST, "IMAGE_TOO_LARGE"),
            Kind::ImageUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "IMAGE_UNAVAILABLE"),
            Kind::ImagePulling => (StatusCode::SERVICE_UNAVAILABLE, "IMAGE_PULLING"),
            Kind::SessionNotFound => (StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"),
            Kind::FileNotFound => (StatusCode::NOT_FOUND, "FILE_NOT_FOUND"),
            Kind::FileExists => (StatusCode::CONFLICT, "FILE_EXISTS"),
            Kind::InvalidState => (StatusCode::CONFLICT, "INVALID_STATE"),
            Kind::TooManySessions => (StatusCode::TOO_MANY_REQUESTS, "SESSION_LIMIT_REACHED"),
            Kind::TooManyTunnels => (StatusCode::TOO_MANY_REQUESTS, "TUNNEL_LIMIT_REACHED"),
            Kind::IdempotencyKeyReused => (StatusCode::CONFLICT, "IDEMPOTENCY_KEY_REUSED"),
            Kind::SessionEnded => (StatusCode::CONFLICT, "SESSION_ENDED"),
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
            Kind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "UNSUPPORTED"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            Kind::CreateFailed => (StatusCode::INTERNAL_SERVER_ERROR, "SANDBOX_CREATE_FAILED"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
        };
        let (message, details) = (error.message.clone(), error.details.clone());
        Self {
            status,
            code,
            message,
            details,
            retry_after: error.retry_after.map(whole_seconds),
            source: Some(Arc::new(error)),
        }
    }
}

/// Rounded up, and never none: who waits this long does not come too early.
fn whole_seconds(wait: Duration) -> u64 {
    let up = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(up).max(1)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

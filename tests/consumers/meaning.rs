//! What the SDK has to make of a refusal.

use std::time::Duration;

use sandbox_sessions::{Error, ErrorKind};

use crate::document::Answer;

/// The kind of the error, and whether the same call may succeed later.
fn meaning(status: u16, code: &str) -> (ErrorKind, bool) {
    match (status, code) {
        (401, "UNAUTHORIZED") => (ErrorKind::Unauthorized, false),
        (404, "SESSION_NOT_FOUND") => (ErrorKind::SessionNotFound, false),
        (429, "SESSION_LIMIT_REACHED") => (ErrorKind::RateLimited, false),
        (429, "RATE_LIMITED") => (ErrorKind::RateLimited, true),
        (503, "UNAVAILABLE") => (ErrorKind::Operation, true),
        (400, "INVALID_REQUEST" | "INVALID_TTL" | "IMAGE_NOT_FOUND")
        | (404, "FILE_NOT_FOUND")
        | (409, "INVALID_STATE" | "FILE_EXISTS" | "IDEMPOTENCY_KEY_REUSED" | "SESSION_ENDED")
        | (413, "PAYLOAD_TOO_LARGE")
        | (415, "UNSUPPORTED_MEDIA_TYPE")
        | (500, "INTERNAL_ERROR" | "SANDBOX_CREATE_FAILED")
        | (501, "UNSUPPORTED") => (ErrorKind::Operation, false),
        _ => panic!("nobody has said what the SDK makes of {status} {code}"),
    }
}

/// Checks that an error is what the answer says, to the last header.
pub(crate) fn assert_is(error: &Error, answer: &Answer) {
    let code = answer.body["error"].as_str().unwrap();
    let context = format!("{}: {error:?}", answer.name());
    let (kind, retryable) = meaning(answer.status, code);
    assert_eq!(error.kind(), kind, "{context}");
    assert_eq!(error.is_retryable(), retryable, "{context}");
    assert_eq!(error.status_code(), Some(answer.status), "{context}");
    assert_eq!(error.error_code(), Some(code), "{context}");
    assert_eq!(
        error.message(),
        answer.body["message"].as_str().unwrap(),
        "{context}"
    );
    let details = answer.body["details"].as_object().cloned().unwrap_or_default();
    assert_eq!(*error.details(), details, "{context}");
    let in_body = answer.body["requestId"].as_str();
    assert_eq!(
        error.request_id(),
        in_body.or(answer.header("x-request-id")),
        "{context}"
    );
    let limit = error.rate_limit();
    let told = |name| answer.header(name).map(|value| value.parse::<u64>().unwrap());
    assert_eq!(
        limit.and_then(|limit| limit.limit()),
        told("x-ratelimit-limit"),
        "{context}"
    );
    assert_eq!(
        limit.and_then(|limit| limit.remaining()),
        told("x-ratelimit-remaining"),
        "{context}"
    );
    let reset = limit
        .and_then(|limit| limit.reset())
        .map(|reset| reset.timestamp().cast_unsigned());
    assert_eq!(reset, told("x-ratelimit-reset"), "{context}");
    let after = told("retry-after").map(Duration::from_secs);
    assert_eq!(limit.and_then(|limit| limit.retry_after()), after, "{context}");
}

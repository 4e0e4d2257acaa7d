//! Bringing answers into the shape that the generated code expects.

use http::response::Parts;
use http_body_util::{BodyExt, Limited};
use reqwest::{Body, Response, ResponseBuilderExt, StatusCode, header::CONTENT_LENGTH};
use serde_json::{Map, Value};

use super::Observation;
use crate::types;

/// How large the body of an answer may be that is not an error and not a file, in bytes.
///
/// Far above what a server sends; it is there so that a wrong one cannot exhaust the client's memory. A larger body
/// ends in an error while it is read.
pub const MAX_JSON_BYTES: usize = 64 * 1024 * 1024;

/// How much of the body of an error answer is read, in bytes. What is longer is not an API error.
pub const MAX_ERROR_BYTES: usize = 64 * 1024;

/// How much of a body that is not an API error is passed on, in characters.
const SNIPPET_CHARACTERS: usize = 256;

/// The same answer, whose body is noted as it is read, and fails once more than [`MAX_JSON_BYTES`] were.
pub(super) fn limited(response: Response) -> Response {
    let (parts, body) = into_parts(response);
    let body = Limited::new(body, MAX_JSON_BYTES).map_frame(|frame| {
        frame
            .data_ref()
            .into_iter()
            .for_each(|piece| Observation::note_body(piece));
        frame
    });
    http::Response::from_parts(parts, Body::wrap(body)).into()
}

/// The same error answer, whose body is that of an API error.
pub(super) async fn with_error_body(mut response: Response) -> Response {
    let body = beginning_of_body(&mut response).await;
    let error = error_body(response.status(), &body);
    let (mut parts, _) = into_parts(response);
    // It was the length of the body that is replaced. All other headers, such as `Retry-After`, stay.
    parts.headers.remove(CONTENT_LENGTH);
    // An error has strings for keys, and so always a JSON form.
    let body = serde_json::to_vec(&error).unwrap_or_default();
    http::Response::from_parts(parts, body).into()
}

/// The API error that an error answer with this body is, also where something other than the API gave it.
#[must_use]
pub fn error_body(status: StatusCode, body: &[u8]) -> types::Error {
    api_error(body).unwrap_or_else(|| foreign_error(status, body))
}

/// Takes an answer apart. Put together again, it still knows from where it came.
fn into_parts(response: Response) -> (Parts, Body) {
    let origin = http::Response::builder().url(response.url().clone()).body(());
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    // Moved, not copied: every answer passes here.
    if let Ok(origin) = origin {
        parts.extensions.extend(origin.into_parts().0.extensions);
    }
    (parts, body)
}

/// At most [`MAX_ERROR_BYTES`] of the body.
///
/// When the connection is lost on the way, what came before is the answer: the status is known and worth more than the
/// reason why its explanation is cut.
async fn beginning_of_body(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        Observation::note_body(&chunk);
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_ERROR_BYTES {
            body.truncate(MAX_ERROR_BYTES);
            break;
        }
    }
    body
}

/// The API error in a body, if it is one. Properties other than the code and the message may have any form in answers
/// of other servers, and are left out if it is not the contract's.
fn api_error(body: &[u8]) -> Option<types::Error> {
    fn property<T: serde::de::DeserializeOwned>(fields: &mut Map<String, Value>, name: &str) -> Option<T> {
        fields
            .remove(name)
            .and_then(|value| serde_json::from_value(value).ok())
    }
    let mut fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
    Some(types::Error {
        error: property(&mut fields, "error")?,
        message: property(&mut fields, "message")?,
        details: property(&mut fields, "details"),
        timestamp: property(&mut fields, "timestamp"),
        request_id: property(&mut fields, "requestId"),
    })
}

/// Describes an answer that something other than the API gave, usually a proxy.
fn foreign_error(status: StatusCode, body: &[u8]) -> types::Error {
    let text = String::from_utf8_lossy(body);
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let snippet: String = printable.take(SNIPPET_CHARACTERS).collect();
    let details = (!snippet.is_empty()).then(|| Map::from_iter([("body".to_owned(), Value::from(snippet))]));
    types::Error {
        error: format!("HTTP_{}", status.as_u16()),
        message: format!("{status}, without the body of an API error"),
        details,
        timestamp: None,
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_code_and_message_when_the_rest_is_of_another_form() {
        let body = br#"{"error":"RATE_LIMITED","message":"slow down","details":"none","timestamp":"yesterday","x":1}"#;
        let error = api_error(body).unwrap();
        assert_eq!(
            (error.error.as_str(), error.message.as_str()),
            ("RATE_LIMITED", "slow down")
        );
        assert_eq!(
            (error.details, error.timestamp, error.request_id),
            (None, None, None)
        );
    }

    #[test]
    fn is_not_fooled_by_other_json() {
        for body in [
            r#"{"detail":"Not Found"}"#,
            r#"{"error":{"code":1},"message":"x"}"#,
            "[]",
            "null",
            "",
            "{",
        ] {
            assert_eq!(api_error(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn snippets_are_short_and_printable() {
        let body = [b"\x1b[31m\xff".as_slice(), &[b'a'; 10_000]].concat();
        let error = foreign_error(StatusCode::BAD_GATEWAY, &body);
        assert_eq!(error.error, "HTTP_502");
        assert_eq!(error.message, "502 Bad Gateway, without the body of an API error");
        let details = error.details.unwrap();
        let snippet = details["body"].as_str().unwrap();
        assert!(
            snippet.starts_with(" [31m\u{fffd}a") && snippet.chars().count() == SNIPPET_CHARACTERS,
            "{snippet}"
        );
        assert_eq!(foreign_error(StatusCode::BAD_GATEWAY, b"").details, None);
    }
}

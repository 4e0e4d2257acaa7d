//! Reading answers.

use progenitor_client::{Error, ResponseValue};
use reqwest::{Response, StatusCode, header::CONTENT_LENGTH};
use serde::de::DeserializeOwned;
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

/// What an answer holds.
pub(crate) async fn value<T: DeserializeOwned>(
    mut answer: Response,
) -> Result<ResponseValue<T>, Error<types::Error>> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(Error::ResponseBodyError)? {
        Observation::note_body(&piece);
        if piece.len() > MAX_JSON_BYTES - body.len() {
            return Err(Error::Custom(format!(
                "the answer is larger than {MAX_JSON_BYTES} bytes"
            )));
        }
        body.extend_from_slice(&piece);
    }
    match serde_json::from_slice(&body) {
        Ok(value) => Ok(with_head(answer, value)),
        Err(error) => Err(Error::InvalidResponsePayload(body.into(), error)),
    }
}

/// The error that an error answer is.
pub(crate) async fn refusal(mut answer: Response) -> Error<types::Error> {
    let body = beginning_of_body(&mut answer).await;
    let error = error_body(answer.status(), &body);
    // It was the length of a body that the error may not have been made from. All other headers stay.
    answer.headers_mut().remove(CONTENT_LENGTH);
    Error::ErrorResponse(with_head(answer, error))
}

fn with_head<T>(mut answer: Response, value: T) -> ResponseValue<T> {
    ResponseValue::new(value, answer.status(), std::mem::take(answer.headers_mut()))
}

/// The API error that an error answer with this body is, also where something other than the API gave it.
#[must_use]
pub fn error_body(status: StatusCode, body: &[u8]) -> types::Error {
    api_error(body).unwrap_or_else(|| foreign_error(status, body))
}

/// At most [`MAX_ERROR_BYTES`] of the body.
///
/// When the connection is lost on the way, what came before is the answer: the status is known and worth more than the
/// reason why its explanation is cut.
async fn beginning_of_body(answer: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        Observation::note_body(&piece);
        body.extend_from_slice(&piece);
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

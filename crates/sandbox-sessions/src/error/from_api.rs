//! From the generated client's errors to ours: one table that says what each failure means.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use chrono::Utc;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Response, StatusCode};
use sandbox_api::hooks::Observation;
use sandbox_api::types as wire;
use serde_json::{Map, Value};

use super::{Answer, Error, ErrorKind, RateLimit};
use crate::send::request_id;

/// How much text of an answer is kept in messages, in characters.
const MAX_MESSAGE: usize = 1024;
/// How much of an answer that makes no sense is kept, in characters.
const MAX_SNIPPET: usize = 256;

/// What a failure of the generated client means to callers. `seen` is what the answer said before it failed.
pub(crate) fn from_api_error(error: sandbox_api::Error<wire::Error>, seen: &Observation) -> Error {
    use sandbox_api::Error as Api;
    match error {
        Api::CommunicationError(cause) | Api::ResponseBodyError(cause) | Api::InvalidUpgrade(cause) => {
            incomplete(cause, beginning_of_answer(seen))
        }
        Api::ErrorResponse(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            refused(status, &headers, answer.into_inner())
        }
        Api::InvalidResponsePayload(body, cause) => unreadable(&body, &cause, seen),
        Api::UnexpectedResponse(response) => undocumented(&response),
        // The hooks have ended an answer without an end.
        Api::Custom(reason) => Error::new(ErrorKind::Decode, reason).with_answer(beginning_of_answer(seen)),
        // Requests are checked when they are made.
        Api::InvalidRequest(reason) => {
            Error::new(ErrorKind::InvalidArgument, "the request cannot be made").with_source(Text(reason))
        }
    }
}

/// What it means that a file stopped in the middle.
pub(crate) fn broken_download(cause: reqwest::Error) -> Error {
    let seen = Answer {
        status: Some(StatusCode::OK),
        ..Answer::default()
    };
    incomplete(cause, seen)
}

/// The attempt was abandoned after `limit`.
pub(crate) fn out_of_time(limit: Duration, seen: &Observation) -> Error {
    Error::new(ErrorKind::Timeout, format!("no complete answer within {limit:?}"))
        .with_answer(beginning_of_answer(seen))
}

/// No complete answer arrived; `seen` is what did.
fn incomplete(cause: reqwest::Error, seen: Answer) -> Error {
    let (kind, message) = if cause.is_connect() {
        (ErrorKind::Connection, "cannot connect to the API")
    } else if cause.is_timeout() {
        (ErrorKind::Timeout, "the HTTP client's own timeout has passed")
    } else if cause.is_builder() {
        (ErrorKind::InvalidArgument, "the request cannot be made")
    } else if seen.status.is_some() {
        (ErrorKind::Connection, "the connection was lost during the answer")
    } else {
        (
            ErrorKind::Connection,
            "the connection was lost before an answer came",
        )
    };
    let error = Error::new(kind, message)
        .permanent(is_untrusted(&cause))
        .with_answer(seen);
    let error = if cause.is_connect() { error.unsent() } else { error };
    // The operation and the session are said elsewhere, and the URL would only repeat them.
    error.with_source(cause.without_url())
}

/// Whether the server's certificate was refused. The next attempt would meet the same one.
fn is_untrusted(cause: &(dyn StdError + 'static)) -> bool {
    let causes = std::iter::successors(Some(cause), |&cause| {
        match cause.downcast_ref::<std::io::Error>() {
            // What an I/O error holds is not its source.
            Some(error) => error.get_ref().map(|held| held as &(dyn StdError + 'static)),
            None => cause.source(),
        }
    });
    let mut tls = causes.filter_map(|cause| cause.downcast_ref());
    tls.any(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

/// What is known of an answer of which not all has arrived.
fn beginning_of_answer(seen: &Observation) -> Answer {
    Answer {
        status: seen.status(),
        details: snippet_details(&seen.beginning_of_body()),
        request_id: seen.request_id().map(|id| printable(&id, MAX_SNIPPET)),
        ..Answer::default()
    }
}

/// The API, or something before it, answered with an error.
pub(super) fn refused(status: StatusCode, headers: &HeaderMap, body: wire::Error) -> Error {
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        StatusCode::NOT_FOUND if body.error == "SESSION_NOT_FOUND" => ErrorKind::SessionNotFound,
        _ => ErrorKind::Operation,
    };
    let header_id = request_id(headers).map(str::to_owned);
    Error::new(kind, printable(&body.message, MAX_MESSAGE)).with_answer(Answer {
        status: Some(status),
        error_code: Some(printable(&body.error, MAX_SNIPPET)),
        details: body.details.unwrap_or_default(),
        request_id: body
            .request_id
            .or(header_id)
            .map(|id| printable(&id, MAX_SNIPPET)),
        rate_limit: RateLimit::from_headers(headers, Utc::now()),
    })
}

/// A success whose body is not what the contract promises.
fn unreadable(body: &[u8], cause: &serde_json::Error, seen: &Observation) -> Error {
    let message = match seen.content_type() {
        Some(other) if !other.to_ascii_lowercase().contains("json") => {
            let other = printable(&other, MAX_SNIPPET);
            format!("the answer is of the type {other} and not what the API's contract promises")
        }
        _ => "the answer is not what the API's contract promises".to_owned(),
    };
    Error::new(ErrorKind::Decode, message)
        // What JSON errors quote can be as long as the body.
        .with_source(Text(printable(&cause.to_string(), MAX_SNIPPET)))
        .with_answer(Answer {
            details: snippet_details(body),
            ..beginning_of_answer(seen)
        })
}

/// The beginning of a body, as a detail of the error; nothing if there is none.
fn snippet_details(body: &[u8]) -> Map<String, Value> {
    // Servers may send white space ahead of an answer that takes its time. Four bytes are the most that a
    // character takes.
    let body = body.trim_ascii_start();
    let beginning = body.get(..4 * MAX_SNIPPET).unwrap_or(body);
    let snippet = printable(&String::from_utf8_lossy(beginning), MAX_SNIPPET);
    let detail = (!snippet.is_empty()).then(|| ("body".to_owned(), Value::from(snippet)));
    Map::from_iter(detail)
}

/// A status that the contract does not know: a redirect, or another success.
fn undocumented(response: &Response) -> Error {
    let (status, headers) = (response.status(), response.headers());
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let error = match location {
        Some(location) if status.is_redirection() => {
            let message = format!("the API's URL redirects to {location}; redirects are not followed");
            Error::new(ErrorKind::Operation, printable(&message, MAX_MESSAGE))
        }
        _ if status.is_success() => Error::new(
            ErrorKind::Decode,
            format!("the API's contract has no answer with the status {status}"),
        ),
        _ => Error::new(ErrorKind::Operation, format!("unexpected status {status}")),
    };
    error.with_answer(Answer {
        status: Some(status),
        request_id: request_id(headers).map(|id| printable(id, MAX_SNIPPET)),
        rate_limit: RateLimit::from_headers(headers, Utc::now()),
        ..Answer::default()
    })
}

/// At most `max` characters of `text`, safe to show on a terminal.
fn printable(text: &str, max: usize) -> String {
    text.chars()
        .take(max)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A cause of which only the text is kept.
#[derive(Debug)]
struct Text(String);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Text {}

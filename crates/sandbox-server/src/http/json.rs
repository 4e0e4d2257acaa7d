//! JSON bodies.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::Segment;
use tokio::time::timeout;

use super::error::ApiError;

/// A megabyte of code is six when every character of it is escaped.
const BODY_LIMIT: usize = 8 << 20;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest message about a body. It may quote the body, which may be long.
const MESSAGE_LIMIT: usize = 300;

/// A JSON body that must be there.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

/// A JSON body whose absence stands for the default.
#[derive(Debug)]
pub(super) struct OptionalJson<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        check_content_type(request.headers())?;
        parse(&read(request.into_body()).await?).map(Self)
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let content_type = check_content_type(request.headers());
        let body = read(request.into_body()).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        content_type?;
        parse(&body).map(Self)
    }
}

/// `application/json`, with or without parameters.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let found = headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let essence = found
        .as_deref()
        .and_then(|found| found.split(';').next())
        .map(str::trim);
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case("application/json") => Ok(()),
        found => Err(ApiError::unsupported_media_type(found, "application/json")),
    }
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let collected = timeout(PATIENCE, Limited::new(body, BODY_LIMIT).collect())
        .await
        .map_err(|_| {
            ApiError::invalid_request(format!("the body did not arrive within {} s", PATIENCE.as_secs()))
        })?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the body is larger than {BODY_LIMIT} bytes");
            Err(
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
                    .detail("limit", BODY_LIMIT),
            )
        }
        Err(_) => Err(ApiError::invalid_request("the body ended early")),
    }
}

/// The parser bounds the depth of what it reads, so hostile nesting is an error like any other.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::invalid_request("the body is not valid JSON: it is not UTF-8"))?;
    let parsed = parse_object(text);
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) if parsed.is_err() => Err(ApiError::invalid_request(shortened(&format!(
            "the body is not valid JSON: {error}"
        )))),
        _ => parsed,
    }
}

fn parse_object<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    // The types would also take the values of an object's fields as an array.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(ApiError::invalid_request("the body must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| refused(&error))?;
    deserializer
        .end()
        .map_err(|error| ApiError::invalid_request(shortened(&error.to_string())))?;
    Ok(value)
}

fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let why = shortened(&error.inner().to_string());
    match error.path().iter().next() {
        Some(Segment::Map { key }) => ApiError::invalid_parameter(&shortened(key), why),
        _ => ApiError::invalid_request(why),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

//! `/sessions/{sessionId}/files`: moving files in and out.

use std::pin::pin;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sandbox_api::types as wire;
use tokio::time::{Instant, timeout_at};

use super::App;
use super::caller::Caller;
use super::error::ApiError;
use super::form::{FormBody, Head, TooLong};
use super::query::Query;
use super::session_path::SessionPath;
use crate::backend::{Owner, SessionId};
use crate::service::{self, Download, FileInfo, RemotePath, Upload, too_large};

/// The part of a form that is the file.
const PART: &str = "file";

const OCTETS: &str = "application/octet-stream";

pub(super) async fn upload(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<(StatusCode, Json<wire::FileInfo>), ApiError> {
    let mut query = Query::parse(query.as_deref(), &["path", "overwrite"])?;
    let path = RemotePath::parse("path", &query.required("path")?)?;
    let overwrite = query.optional("overwrite")?.unwrap_or(false);
    let limit = app.service.bounds().upload_bytes;
    let file = match content_type(request.headers()).as_deref() {
        Some(OCTETS) => {
            check_announced_length(request.headers(), limit)?;
            let upload = Upload {
                path,
                overwrite,
                content: body(request.into_body()),
                limit,
            };
            app.service.upload(&owner, id, upload).await?
        }
        Some("multipart/form-data") => {
            upload_form(
                &app,
                &owner,
                id,
                Upload {
                    path,
                    overwrite,
                    content: request,
                    limit,
                },
            )
            .await?
        }
        found => {
            return Err(ApiError::unsupported_media_type(
                found,
                &format!("{OCTETS} or multipart/form-data"),
            ));
        }
    };
    Ok((StatusCode::CREATED, Json(info(file))))
}

pub(super) async fn download(
    Caller(owner): Caller,
    State(app): State<App>,
    SessionPath(id): SessionPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut query = Query::parse(query.as_deref(), &["filePath"])?;
    let path = RemotePath::parse("filePath", &query.required("filePath")?)?;
    let Download { path, size, content } = app.service.download(&owner, id, path).await?;
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(OCTETS)),
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
        (header::CONTENT_DISPOSITION, disposition(path.name())),
    ];
    Ok((headers, Body::from_stream(content)).into_response())
}

/// Lower case, without parameters.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split(';')
        .next()
        .map(|essence| essence.trim().to_ascii_lowercase())
}

/// What is too large for certain need not be read first.
fn check_announced_length(headers: &HeaderMap, limit: u64) -> Result<(), ApiError> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        Err(too_large(limit).into())
    } else {
        Ok(())
    }
}

fn body(body: Body) -> impl Stream<Item = service::Result<Bytes>> + Unpin {
    let pieces: BodyDataStream = body.into_data_stream();
    pieces.map(|piece| piece.map_err(|error| service::Error::invalid("body", "ended early").caused_by(error)))
}

/// How long a form may take to get to its file.
const PATIENCE: Duration = Duration::from_secs(60);

/// Uploads the form's file. Parts before it are passed over; parts after it are not read.
async fn upload_form(
    app: &App,
    owner: &Owner,
    id: SessionId,
    upload: Upload<Request>,
) -> Result<FileInfo, ApiError> {
    let Upload {
        path,
        overwrite,
        content,
        limit,
    } = upload;
    let (content, head) = FormBody::of(content);
    let mut form = Multipart::from_request(content, &()).await.map_err(|error| {
        ApiError::invalid_request(format!("the form cannot be read: {}", error.body_text()))
    })?;
    let deadline = Instant::now() + PATIENCE;
    let field = loop {
        let field = timeout_at(deadline, form.next_field()).await.map_err(|_| {
            let seconds = PATIENCE.as_secs();
            ApiError::invalid_request(format!("the file did not begin within {seconds} s"))
        })?;
        match field.map_err(|error| head_error(&error, &head))? {
            Some(field) if field.name() == Some(PART) => break field,
            Some(_) => {}
            None => {
                return Err(ApiError::invalid_request(format!(
                    "the form has no part named {PART:?}"
                )));
            }
        }
    };
    head.end();
    let content = stream::try_unfold(field, |mut field| async move {
        let piece = field.chunk().await.map_err(|error| form_error(&error))?;
        Ok(piece.map(|piece| (piece, field)))
    });
    let upload = Upload {
        path,
        overwrite,
        content: pin!(content),
        limit,
    };
    Ok(app.service.upload(owner, id, upload).await?)
}

fn head_error(error: &MultipartError, head: &Head) -> ApiError {
    if head.is_too_long() {
        ApiError::invalid_request(TooLong.to_string())
    } else {
        form_error(error).into()
    }
}

fn form_error(error: &MultipartError) -> service::Error {
    service::Error::invalid("body", format!("the form cannot be read: {}", error.body_text()))
}

fn info(file: FileInfo) -> wire::FileInfo {
    wire::FileInfo {
        path: file.path.to_string(),
        size: file.size,
        modified_at: file.modified_at,
    }
}

/// Suggests a name to save a file under: once for every client, and once more, exactly, for those that know RFC 6266.
fn disposition(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let value = if plain == name {
        format!("attachment; filename=\"{plain}\"")
    } else {
        format!(
            "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
            percent_encoded(name)
        )
    };
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_can_be_suggested() {
        assert_eq!(disposition("a b.csv"), "attachment; filename=\"a b.csv\"");
        assert_eq!(
            disposition("ü\"\r\n%"),
            "attachment; filename=\"_____\"; filename*=UTF-8''%C3%BC%22%0D%0A%25"
        );
    }
}

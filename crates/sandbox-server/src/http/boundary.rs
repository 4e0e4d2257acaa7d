//! What every request passes on its way in and every answer on its way out.

use axum::extract::Request;
use axum::response::{IntoResponse, Json, Response};
use chrono::{SubsecRound, Utc};
use http::{HeaderName, HeaderValue, Method, header};
use sandbox_api::types as wire;
use tracing::Instrument;
use uuid::Uuid;

use super::drain::Drain;
use super::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names the request, and turns whatever went wrong into a body and one line in the log.
pub(super) async fn boundary<F>(request: Request, answer: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    let id = Uuid::new_v4().to_string();
    let span = tracing::debug_span!("request", id, method = %request.method(), path = request.uri().path());
    let (head, body) = request.into_parts();
    // Who waits for permission to send a body can do without it: reading would be that permission.
    let waits = head.headers.contains_key(header::EXPECT);
    let connects = head.method == Method::CONNECT;
    let drain = Drain::new(body);
    let request = Request::from_parts(head, drain.body());
    let mut response = answer(request).instrument(span.clone()).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        span.in_scope(|| log(&id, &error));
        response = with_body(response, error, &id);
        if connects {
            // A client that did not wait for the answer has sent what is no HTTP.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if !waits {
            drain.finish().await;
        }
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Keeps what others have added to the answer, such as `Allow`.
fn with_body(mut response: Response, error: ApiError, id: &str) -> Response {
    // It is that of the empty body that is replaced.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let headers = error.headers();
    let body = wire::Error {
        error: error.code.to_owned(),
        message: error.message,
        details: (!error.details.is_empty()).then_some(error.details),
        timestamp: Some(Utc::now().trunc_subsecs(3)),
        request_id: Some(id.to_owned()),
    };
    let mut answer = (error.status, headers, Json(body)).into_response();
    for (name, value) in response.headers() {
        if !answer.headers().contains_key(name) {
            answer.headers_mut().append(name, value.clone());
        }
    }
    answer
}

fn log(id: &str, error: &ApiError) {
    let cause = error
        .source
        .as_deref()
        .map(|source| source as &dyn std::error::Error);
    if error.status.is_server_error() {
        tracing::error!(
            request = id,
            status = error.status.as_u16(),
            code = error.code,
            error = cause,
            "{}",
            error.message
        );
    } else {
        tracing::debug!(
            request = id,
            status = error.status.as_u16(),
            code = error.code,
            error = cause,
            "refused"
        );
    }
}

//! `CONNECT`: the way to a session's SSH server, in all the forms that clients know.

mod credentials;
mod target;

use axum::RequestExt;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::Version;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;

pub(super) use self::credentials::token;
use self::target::session;
use super::App;
use super::caller::Caller;
use super::error::ApiError;

/// What the answer has said since there are proxies; some clients look for these words.
const ESTABLISHED: ReasonPhrase = ReasonPhrase::from_static(b"Connection Established");

/// Serves every `CONNECT`, whatever its target: no route matches all of its forms.
pub(super) async fn connect(app: &App, request: Request) -> Response {
    open(app, request).await.into_response()
}

async fn open(app: &App, mut request: Request) -> Result<Response, ApiError> {
    check(&request)?;
    let Caller(owner) = request.extract_parts().await?;
    let session = session(request.uri())?;
    let tunnel = app.service.open_tunnel(&owner, session).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    app.service.carry(tunnel, async move {
        let upgraded = upgrade.await;
        upgraded
            .inspect_err(|error| tracing::debug!(%error, "a client left before its tunnel began"))
            .map(TokioIo::new)
            .ok()
    });
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(ESTABLISHED);
    Ok(response)
}

/// Refuses what two readers could understand in two ways: with a body, nobody could say where the tunnel begins.
fn check(request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    let reason = if request.version() != Version::HTTP_11 {
        "CONNECT needs HTTP/1.1"
    } else if headers.get_all(HOST).iter().count() != 1 {
        "CONNECT needs one Host header"
    } else if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        "CONNECT has no body: send neither Content-Length nor Transfer-Encoding"
    } else {
        return Ok(());
    };
    Err(ApiError::invalid_request(reason))
}

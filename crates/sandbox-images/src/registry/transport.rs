//! Requests: with bounds of time and length, and redirects on which nobody learns another's secrets.

use std::future::Future;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, RequestBuilder, Response, redirect};
use url::Url;

use super::host::PlainHttp;
use crate::{Error, ErrorKind, Result};

/// The most redirects of one request.
const MAX_REDIRECTS: usize = 5;
const CONNECT: Duration = Duration::from_secs(10);
/// How long a document may take as a whole: one that trickles is never silent.
const DOCUMENT: Duration = Duration::from_secs(120);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: Client,
    plain: PlainHttp,
}

impl Transport {
    pub(super) fn new(plain: PlainHttp, silence: Duration) -> Result<Self> {
        let client = Client::builder()
            .user_agent(concat!("sandbox-sessions/", env!("CARGO_PKG_VERSION")))
            // Followed here, where it is known what may go along.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT.min(silence))
            .read_timeout(silence)
            .build();
        let client = client
            .map_err(|e| Error::new(ErrorKind::Config, "registries cannot be spoken to").with_source(e))?;
        Ok(Self { client, plain })
    }

    pub(super) fn plain(&self) -> &PlainHttp {
        &self.plain
    }

    /// Asks and follows redirects. The authorization is for where the request begins and goes nowhere else, not to
    /// another port of the same host either.
    pub(super) async fn get(
        &self,
        start: &Url,
        headers: &HeaderMap,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response> {
        let mut url = start.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.get(url.clone()).headers(headers.clone());
            if let Some(authorization) = authorization.filter(|_| url.origin() == start.origin()) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = send(&url, request).await?;
            let Some(next) = next(&url, &response)? else {
                return Ok(response);
            };
            self.plain.check_next(&url, &next)?;
            url = next;
        }
        Err(unavailable(&url, "redirects without end"))
    }

    /// Posts a form; what answers with a redirect has answered.
    pub(super) async fn post(&self, url: &Url, form: String) -> Result<Response> {
        let request = self.client.post(url.clone()).body(form);
        send(
            url,
            request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"),
        )
        .await
    }
}

async fn send(url: &Url, request: RequestBuilder) -> Result<Response> {
    let sent = request.send().await;
    sent.map_err(|e| unavailable(url, "cannot be reached").with_source(e.without_url()))
}

/// Where a redirect leads.
fn next(url: &Url, response: &Response) -> Result<Option<Url>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok());
    let next = location.and_then(|location| url.join(location).ok());
    next.map(Some)
        .ok_or_else(|| unavailable(url, "sends on to nowhere"))
}

/// The next piece of a body.
pub(super) async fn piece(response: &mut Response) -> Result<Option<bytes::Bytes>> {
    let piece = response.chunk().await;
    piece.map_err(|e| unavailable(response.url(), "has broken off").with_source(e.without_url()))
}

/// A whole body, if it is no longer than this.
pub(super) async fn body(mut response: Response, max: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = piece(&mut response).await? {
        if body.len() + piece.len() > max {
            let host = response.url().host_str().unwrap_or_default();
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the registry {host} answers with more than {max} bytes"),
            ));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Something small, which does not take for ever.
pub(super) async fn in_time<T>(url: &Url, work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = tokio::time::timeout(DOCUMENT, work).await;
    done.unwrap_or_else(|_| Err(unavailable(url, "takes too long")))
}

fn unavailable(url: &Url, what: &str) -> Error {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Error::new(
        ErrorKind::Unavailable,
        format!("the registry {host}{port} {what}"),
    )
}

//! Who is asking, and how often.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::time::Instant;

use super::error::ApiError;
use super::tunnel;
use crate::backend::Owner;
use crate::rate_limit::{Meter, RateLimit, Standing};
use crate::tokens::Tokens;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Those who may ask. There is a meter for each token the server was started with, and nothing is kept of any other:
/// whoever guesses tokens learns nothing but that they are wrong, and makes nothing grow.
#[derive(Debug)]
pub(crate) struct Callers {
    tokens: Tokens,
    limit: RateLimit,
    meters: Vec<Meter>,
}

impl Callers {
    pub(crate) fn new(tokens: Tokens, per_minute: NonZeroU32) -> Self {
        let now = Instant::now();
        Self {
            limit: RateLimit::per_minute(per_minute),
            meters: (0..tokens.count()).map(|_| Meter::new(now)).collect(),
            tokens,
        }
    }

    /// Whose token this is, and where that stands after one more request. `None` if it is nobody's.
    fn count(&self, token: &[u8]) -> Option<(&Owner, Standing)> {
        let (position, owner) = self.tokens.find(token)?;
        let standing = self.meters.get(position)?.count(self.limit, Instant::now());
        Some((owner, standing))
    }
}

/// Counts every request that comes with a valid token and tells where the token stands with every answer, whoever
/// gives it. A request without one goes on as nobody's.
pub(super) async fn admit<F>(
    callers: &Callers,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let token = if request.method() == Method::CONNECT {
        tunnel::token(request.headers())
    } else {
        token(request.headers()).map(Into::into)
    };
    let Some((owner, standing)) = token.and_then(|token| callers.count(&token)) else {
        return answer(request).await;
    };
    let mut response = match standing.too_early {
        Some(wait) => ApiError::rate_limited(wait).into_response(),
        None => {
            request.extensions_mut().insert(Caller(owner.clone()));
            answer(request).await
        }
    };
    tell(standing, response.headers_mut());
    response
}

fn tell(standing: Standing, headers: &mut HeaderMap) {
    // Rounded up: at that second everything is there.
    let reset = Utc::now() + standing.full_in + Duration::from_nanos(999_999_999);
    headers.insert(LIMIT, standing.limit.into());
    headers.insert(REMAINING, standing.remaining.into());
    headers.insert(RESET, HeaderValue::from(reset.timestamp()));
}

/// The owner of the token a request came with. A handler that serves owners takes one, and so cannot be reached
/// without a token.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Owner);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let caller = parts.extensions.get::<Self>();
        caller.cloned().ok_or_else(ApiError::unauthorized)
    }
}

fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => bearer(value.as_bytes()),
        _ => None,
    }
}

/// The token in `Bearer TOKEN`.
pub(super) fn bearer(value: &[u8]) -> Option<&[u8]> {
    credentials("Bearer", value)
}

/// What follows the name of the scheme, which is not case-sensitive.
pub(super) fn credentials<'a>(scheme: &str, value: &'a [u8]) -> Option<&'a [u8]> {
    let (found, credentials) = value.split_at_checked(scheme.len())?;
    let credentials = credentials.strip_prefix(b" ")?.trim_ascii();
    (found.eq_ignore_ascii_case(scheme.as_bytes()) && !credentials.is_empty()).then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_bearer_tokens() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for value in ["", "Bearer", "Bearer ", "Bearerabc", "Basic abc", "abc"] {
            assert_eq!(bearer(value.as_bytes()), None, "{value}");
        }
    }
}

//! Who is asking.

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::App;
use super::error::ApiError;
use crate::backend::Owner;

/// The owner of the token a request came with. A handler that serves owners takes one, and so cannot be reached
/// without a token.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) Owner);

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(ApiError::unauthorized());
        };
        let owner = bearer(value.as_bytes()).and_then(|token| app.tokens.owner_of(token));
        owner.map(Self).ok_or_else(ApiError::unauthorized)
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

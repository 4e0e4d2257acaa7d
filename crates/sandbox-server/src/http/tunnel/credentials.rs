//! The token of a `CONNECT`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName};

use super::super::caller::{bearer, credentials};

/// The token in `Authorization`, or where there is none in `Proxy-Authorization`: that is all that clients can send
/// who take us for a proxy, and most of those know Basic only, whose password is the token then.
pub(in crate::http) fn token(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    if headers.contains_key(AUTHORIZATION) {
        return bearer(only(headers, &AUTHORIZATION)?).map(Cow::Borrowed);
    }
    let value = only(headers, &PROXY_AUTHORIZATION)?;
    bearer(value)
        .map(Cow::Borrowed)
        .or_else(|| password(value).map(Cow::Owned))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// The password in `Basic BASE64(USER:PASSWORD)`. The user is whoever the client thinks it is.
fn password(value: &[u8]) -> Option<Vec<u8>> {
    let mut pair = STANDARD.decode(credentials("Basic", value)?).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let password = pair.split_off(colon + 1);
    (!password.is_empty()).then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(HeaderName, &str)]) -> Option<String> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        let mut all = HeaderMap::new();
        for (name, value) in &headers {
            all.append(name.clone(), value.clone());
        }
        token(&all).map(|token| String::from_utf8(token.into_owned()).unwrap())
    }

    #[test]
    fn every_form_is_read() {
        for (name, value) in [
            (AUTHORIZATION, "Bearer abc"),
            (PROXY_AUTHORIZATION, "bearer abc"),
            // `:abc`, `user:abc` and, since only the first colon separates, `user:a:bc`.
            (PROXY_AUTHORIZATION, "Basic OmFiYw=="),
            (PROXY_AUTHORIZATION, "basic  dXNlcjphYmM="),
        ] {
            assert_eq!(found(&[(name, value)]).as_deref(), Some("abc"), "{value}");
        }
        assert_eq!(
            found(&[(PROXY_AUTHORIZATION, "Basic dXNlcjphOmJj")]).as_deref(),
            Some("a:bc")
        );
    }

    #[test]
    fn anything_else_is_no_token() {
        for (name, value) in [
            (AUTHORIZATION, "Basic OmFiYw=="),
            (PROXY_AUTHORIZATION, "Basic"),
            (PROXY_AUTHORIZATION, "Basic "),
            (PROXY_AUTHORIZATION, "Basic ???"),
            // `abc`, and `user:`.
            (PROXY_AUTHORIZATION, "Basic YWJj"),
            (PROXY_AUTHORIZATION, "Basic dXNlcjo="),
            (PROXY_AUTHORIZATION, "Digest abc"),
        ] {
            assert_eq!(found(&[(name, value)]), None, "{value}");
        }
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_wrong_authorization_is_not_made_good_by_another_header() {
        let headers = [(AUTHORIZATION, "nonsense"), (PROXY_AUTHORIZATION, "Bearer abc")];
        assert_eq!(found(&headers), None);
    }
}

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
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

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

    type Reads = fn(&HeaderMap) -> Option<Cow<'_, [u8]>>;

    fn any_header_has_a_token_or_none(read: Reads) -> Result<(), String> {
        let scheme = "(Basic|Bearer|basic) {0,2}[A-Za-z0-9+/=:]{0,24}";
        let value = prop_oneof![any::<Vec<u8>>(), scheme.prop_map(String::into_bytes)];
        let tried = TestRunner::deterministic().run(
            &(value, "[^:]{0,8}", "[!-~]{1,32}"),
            |(value, user, password)| {
                let mut headers = HeaderMap::new();
                if let Ok(value) = http::HeaderValue::from_bytes(&value) {
                    for name in [PROXY_AUTHORIZATION, AUTHORIZATION] {
                        headers.insert(name, value.clone());
                        prop_assert!(read(&headers).is_none_or(|token| !token.is_empty()));
                    }
                }
                let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                let headers = HeaderMap::from_iter([(PROXY_AUTHORIZATION, basic.parse().unwrap())]);
                let found = read(&headers);
                prop_assert_eq!(found.as_deref(), Some(password.as_bytes()));
                Ok(())
            },
        );
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_header_is_harmless() {
        any_header_has_a_token_or_none(token).unwrap();
    }

    #[test]
    fn a_password_that_ends_at_a_colon_is_noticed() {
        let short: Reads = |headers| {
            let token = token(headers)?.into_owned();
            token
                .split(|byte| *byte == b':')
                .next()
                .map(|part| part.to_vec().into())
        };
        any_header_has_a_token_or_none(short).unwrap_err();
    }
}

//! Query strings.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use super::error::ApiError;

/// The parameters of a query string: each known, and there at most once.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<&'static str, String>);

impl Query {
    pub(super) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, ApiError> {
        let mut values = BTreeMap::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| ApiError::invalid_request("the query is not UTF-8"))?;
            let Some(known) = known.iter().find(|known| **known == name) else {
                let shown: String = name.chars().take(64).collect();
                let message = format!("there is no parameter {shown:?}; there are: {}", known.join(", "));
                return Err(ApiError::new(
                    http::StatusCode::BAD_REQUEST,
                    "INVALID_PARAMETER",
                    message,
                ));
            };
            let value = decode(value).ok_or_else(|| ApiError::invalid_parameter(known, "is not UTF-8"))?;
            if values.insert(*known, value).is_some() {
                return Err(ApiError::invalid_parameter(known, "is given more than once"));
            }
        }
        Ok(Self(values))
    }

    pub(super) fn required(&mut self, name: &'static str) -> Result<String, ApiError> {
        self.0
            .remove(name)
            .ok_or_else(|| ApiError::invalid_parameter(name, "is required"))
    }

    pub(super) fn optional<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, ApiError> {
        let value = self.0.remove(name);
        value
            .map(|value| {
                value
                    .parse()
                    .map_err(|error| ApiError::invalid_parameter(name, error))
            })
            .transpose()
    }
}

/// Undoes the encoding of forms; `None` for what is not UTF-8 then. A `%` that begins no escape stands for itself.
fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let (value, after) = match byte {
            b'%' => escaped(after).unwrap_or((b'%', after)),
            b'+' => (b' ', after),
            other => (*other, after),
        };
        decoded.push(value);
        rest = after;
    }
    String::from_utf8(decoded).ok()
}

/// The byte that two hexadecimal digits at the start stand for, and what follows them.
fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<2>()?;
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn values_are_decoded() {
        let mut query =
            Query::parse(Some("path=a+b%2Fc%C3%BC%&overwrite=true"), &["path", "overwrite"]).unwrap();
        assert_eq!(query.required("path").unwrap(), "a b/cü%");
        assert_eq!(query.optional::<bool>("overwrite").unwrap(), Some(true));
        assert_eq!(query.optional::<bool>("overwrite").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, words) in [
            ("x=1", "\"x\""),
            ("path=1&path=2", "more than once"),
            ("path=%FF", "path: is not UTF-8"),
            ("path=%+1", ""),
        ] {
            match Query::parse(Some(query), &["path"]) {
                Err(error) => assert!(error.message.contains(words), "{}", error.message),
                Ok(mut query) => assert_eq!(query.required("path").unwrap(), "% 1"),
            }
        }
    }

    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    type Reads = fn(&str) -> Result<String, ApiError>;

    const READ: Reads = |query| Query::parse(Some(query), &["path"])?.required("path");

    fn any_query_is_read_or_refused(read: Reads) -> Result<(), String> {
        let tried =
            TestRunner::deterministic().run(&(any::<String>(), "(path)?[a-c]{0,2}"), |(query, name)| {
                let _ = read(&query);
                let _ = read(&format!("{name}={query}&a=%{query}"));
                Ok(())
            });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_query_is_harmless() {
        any_query_is_read_or_refused(READ).unwrap();
    }

    #[test]
    fn a_query_that_is_split_within_a_character_is_noticed() {
        let careless: Reads = |query| {
            let after = query.find('%').map(|at| &query[at + 1..query.len().min(at + 3)]);
            READ(after.unwrap_or(query))
        };
        any_query_is_read_or_refused(careless).unwrap_err();
    }

    fn what_is_encoded_is_decoded(read: Reads) -> Result<(), String> {
        let tried = TestRunner::deterministic().run(&any::<String>(), |value| {
            let query = format!("path={}", encoded(&value));
            prop_assert_eq!(read(&query).unwrap(), value);
            Ok(())
        });
        tried.map_err(|error| error.to_string())
    }

    #[test]
    fn any_value_is_decoded() {
        what_is_encoded_is_decoded(READ).unwrap();
    }

    #[test]
    fn a_value_that_is_decoded_byte_by_byte_is_noticed() {
        let latin: Reads = |query| Ok(READ(query)?.bytes().map(char::from).collect());
        what_is_encoded_is_decoded(latin).unwrap_err();
    }
}

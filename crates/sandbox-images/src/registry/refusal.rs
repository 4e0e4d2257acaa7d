//! What a registry says when it says no.

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::transport;
use crate::{Error, ErrorKind};

/// The longest answer that is looked at for a message.
const MAX_BODY: usize = 16 << 10;
/// Characters of a registry's message that are told.
const MAX_MESSAGE: usize = 256;

/// Registries have `errors`; who hands out tokens has one of the others.
#[derive(Default, Deserialize)]
struct Wire {
    #[serde(default)]
    errors: Vec<WireError>,
    details: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct WireError {
    code: Option<String>,
    message: Option<String>,
}

/// The failure that an answer is, with the registry's own message if it has one.
pub(super) async fn refusal(host: &str, response: Response) -> Error {
    let status = response.status();
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Unauthorized,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    // Without a message the status has to do.
    let body = transport::body(response, MAX_BODY).await.unwrap_or_default();
    let said = message(&body).map(|said| format!(": {said}")).unwrap_or_default();
    Error::new(kind, format!("the registry {host} answers {status}{said}"))
}

fn message(body: &[u8]) -> Option<String> {
    let wire: Wire = serde_json::from_slice(body).unwrap_or_default();
    let first = wire.errors.into_iter().next();
    let coded = first.map(|error| {
        error
            .code
            .into_iter()
            .chain(error.message)
            .collect::<Vec<_>>()
            .join(": ")
    });
    let said = coded.or(wire.details).or(wire.error_description)?;
    Some(clean(&said)).filter(|said| !said.is_empty())
}

/// Foreign text as it may be shown: short, on one line, and nothing that commands a terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_MESSAGE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_short_and_has_no_control_characters() {
        let body =
            br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\n access","detail":[1]},{"code":"X"}]}"#;
        assert_eq!(message(body).unwrap(), "DENIED: no[31m access");
        assert_eq!(
            message(br#"{"details":"wrong password"}"#).unwrap(),
            "wrong password"
        );
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(1000));
        assert_eq!(message(long.as_bytes()).unwrap().len(), MAX_MESSAGE);
        for nothing in ["", "<html>", "[]", "{}", r#"{"errors":[]}"#, r#"{"errors":[{}]}"#] {
            assert_eq!(message(nothing.as_bytes()), None, "{nothing}");
        }
    }
}

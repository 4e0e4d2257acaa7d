use sandbox_api::hooks::BearerToken;
use secrecy::{ExposeSecret, SecretString};

use crate::Error;

/// Checks that a token can be sent. `name` is what the caller knows it by: an argument or an environment
/// variable.
///
/// A refused token is never quoted: a mangled one is still most of a secret.
pub(crate) fn parse_token(name: &'static str, token: &SecretString) -> Result<BearerToken, Error> {
    match token.expose_secret() {
        "" => Err(Error::invalid_argument(name, "is empty")),
        text => BearerToken::new(text).map_err(|error| {
            Error::invalid_argument(name, "cannot be used as a bearer token").with_source(error)
        }),
    }
}

//! Configuration from environment variables, as a pure function of a lookup.

use std::env::VarError;

use secrecy::SecretString;

use crate::api_url::ApiUrl;
use crate::token::parse_token;
use crate::{Error, SessionsClientBuilder};

/// The environment variable that holds the API's base URL, such as `https://api.sandbox.example.com/v1`.
///
/// ```
/// use std::env::VarError;
/// use sandbox_sessions::{API_TOKEN_VARIABLE, API_URL_VARIABLE, SessionsClientBuilder};
///
/// let client = SessionsClientBuilder::from_lookup(|name| match name {
///     API_URL_VARIABLE => Ok("http://localhost:8080/v1".to_owned()),
///     API_TOKEN_VARIABLE => Ok("your-token-here".to_owned()),
///     _ => Err(VarError::NotPresent),
/// })?
/// .build()?;
/// assert_eq!(client.api_url(), "http://localhost:8080/v1");
/// # Ok::<(), sandbox_sessions::Error>(())
/// ```
pub const API_URL_VARIABLE: &str = "SANDBOX_API_URL";

/// The environment variable that holds the bearer token.
///
/// ```
/// use std::process::Command;
/// use sandbox_sessions::API_TOKEN_VARIABLE;
///
/// let mut build = Command::new("make");
/// build.env_remove(API_TOKEN_VARIABLE); // what it runs has no business with the sandboxes
/// ```
pub const API_TOKEN_VARIABLE: &str = "SANDBOX_API_TOKEN";

impl SessionsClientBuilder {
    /// Takes URL and token from `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`; further settings can be chained.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use sandbox_sessions::SessionsClientBuilder;
    ///
    /// let client = SessionsClientBuilder::from_env()?.timeout(Duration::from_secs(10)).build()?;
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the variable, when one is
    /// missing or set to something unusable. An empty variable is an unusable one, not a missing one.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_lookup(|name| std::env::var(name))
    }

    /// As [`from_env`](Self::from_env), with the variables looked up by the caller's function instead of in
    /// the process's environment.
    ///
    /// ```
    /// use std::env::VarError;
    /// use sandbox_sessions::SessionsClientBuilder;
    ///
    /// let client = SessionsClientBuilder::from_lookup(|name| match name {
    ///     "SANDBOX_API_URL" => Ok("http://localhost:8080/v1".to_owned()),
    ///     "SANDBOX_API_TOKEN" => Ok("your-token-here".to_owned()),
    ///     _ => Err(VarError::NotPresent),
    /// })?
    /// .build()?;
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_lookup(lookup: impl Fn(&str) -> Result<String, VarError>) -> Result<Self, Error> {
        let read = |name| {
            lookup(name).map_err(|error| match error {
                VarError::NotPresent => Error::invalid_argument(name, "is not set"),
                VarError::NotUnicode(_) => Error::invalid_argument(name, "is not valid Unicode"),
            })
        };
        let url = read(API_URL_VARIABLE)?;
        let token = SecretString::from(read(API_TOKEN_VARIABLE)?);
        // Checked here as well as in `build`, so that the error names the variable.
        ApiUrl::parse(API_URL_VARIABLE, &url)?;
        parse_token(API_TOKEN_VARIABLE, &token)?;
        Ok(Self::new().url(url).token(token))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::ErrorKind;

    type Variable = Result<&'static str, VarError>;
    const MISSING: Variable = Err(VarError::NotPresent);

    fn from(url: &Variable, token: &Variable) -> Result<SessionsClientBuilder, Error> {
        SessionsClientBuilder::from_lookup(|name| match name {
            API_URL_VARIABLE => url.clone().map(str::to_owned),
            API_TOKEN_VARIABLE => token.clone().map(str::to_owned),
            other => panic!("looked up {other}"),
        })
    }

    #[test]
    fn takes_both_variables() {
        let client = from(&Ok("http://localhost:8080/v1/"), &Ok("secret"))
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(client.api_url(), "http://localhost:8080/v1");
    }

    #[test]
    fn names_the_variable_that_is_missing_or_unusable() {
        let url: Variable = Ok("http://localhost:8080/v1");
        let token: Variable = Ok("secret");
        let not_unicode: Variable = Err(VarError::NotUnicode(OsString::new()));
        for (url, token, message) in [
            (&MISSING, &token, "SANDBOX_API_URL is not set"),
            (&url, &MISSING, "SANDBOX_API_TOKEN is not set"),
            (&not_unicode, &token, "SANDBOX_API_URL is not valid Unicode"),
            (&url, &not_unicode, "SANDBOX_API_TOKEN is not valid Unicode"),
            (&Ok(""), &token, "SANDBOX_API_URL is empty"),
            (
                &Ok("unix:///run/sandbox"),
                &token,
                "SANDBOX_API_URL has the scheme \"unix\"; only http and https are supported",
            ),
            (&url, &Ok(""), "SANDBOX_API_TOKEN is empty"),
            (
                &url,
                &Ok("hunter2\n"),
                "SANDBOX_API_TOKEN cannot be used as a bearer token",
            ),
            (
                &url,
                &Ok("hun ter2"),
                "SANDBOX_API_TOKEN cannot be used as a bearer token",
            ),
        ] {
            let error = from(url, token).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert_eq!(error.to_string(), message);
        }
    }
}

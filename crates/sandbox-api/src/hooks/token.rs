use std::{fmt, str::FromStr};

use reqwest::header::HeaderValue;

/// A bearer token. `Debug` does not show it.
#[derive(Clone)]
pub struct BearerToken(HeaderValue);

/// The text cannot be a bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a bearer token consists of visible ASCII characters, without spaces or line breaks, and is not empty"
)]
pub struct InvalidToken;

impl BearerToken {
    /// Checks the token.
    ///
    /// # Errors
    /// [`InvalidToken`] if it is empty or has other characters than visible ASCII ones.
    pub fn new(token: &str) -> Result<Self, InvalidToken> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of the header `Authorization`, marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for BearerToken {
    type Err = InvalidToken;

    fn from_str(token: &str) -> Result<Self, InvalidToken> {
        Self::new(token)
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sensitive_and_not_shown() {
        let token = BearerToken::new("a-secret").unwrap();
        assert!(token.authorization().is_sensitive());
        assert_eq!(token.authorization().to_str().unwrap(), "Bearer a-secret");
        assert_eq!(
            format!("{token:?} {:?}", token.authorization()),
            "BearerToken(..) Sensitive"
        );
    }

    #[test]
    fn refuses_what_would_break_the_header() {
        for text in [
            "",
            "two words",
            "line\nbreak",
            "line\r\nX-Other: 1",
            "tab\t",
            "nul\0",
            "umlaut-ä",
        ] {
            assert!(BearerToken::new(text).is_err(), "{text:?}");
        }
    }
}

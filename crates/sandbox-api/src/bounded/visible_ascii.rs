use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A string of `MIN..=MAX` visible ASCII characters, which can be the value of a header as it is.
///
/// ```
/// use sandbox_api::bounded::VisibleAscii;
///
/// type Key = VisibleAscii<1, 255>;
/// assert_eq!(Key::new("nightly-7")?.as_str(), "nightly-7");
/// assert_eq!(
///     Key::new("two words").unwrap_err().to_string(),
///     "the character at byte 3 is not a visible ASCII character"
/// );
/// # Ok::<(), sandbox_api::bounded::VisibleAsciiError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct VisibleAscii<const MIN: usize, const MAX: usize>(String);

/// Why a string is not [`VisibleAscii`]. It does not hold the string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VisibleAsciiError {
    /// Too short or too long.
    #[error("a length of {characters} characters is outside {min}..={max}")]
    OutOfBounds {
        /// The length given, in characters.
        characters: usize,
        /// The smallest length allowed.
        min: usize,
        /// The largest length allowed.
        max: usize,
    },
    /// A space, a control character, or one that is not ASCII.
    #[error("the character at byte {position} is not a visible ASCII character")]
    NotVisible {
        /// Where, in bytes from the beginning.
        position: usize,
    },
}

impl<const MIN: usize, const MAX: usize> VisibleAscii<MIN, MAX> {
    /// Checks the string.
    ///
    /// # Errors
    /// [`VisibleAsciiError`] if it does not have `MIN..=MAX` characters or one of them is not visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, VisibleAsciiError> {
        let text = text.into();
        if let Some(position) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(VisibleAsciiError::NotVisible { position });
        }
        // All of it is ASCII: bytes are characters.
        let characters = text.len();
        if characters < MIN || characters > MAX {
            return Err(VisibleAsciiError::OutOfBounds {
                characters,
                min: MIN,
                max: MAX,
            });
        }
        Ok(Self(text))
    }

    /// The string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<String> for VisibleAscii<MIN, MAX> {
    type Error = VisibleAsciiError;

    fn try_from(text: String) -> Result<Self, VisibleAsciiError> {
        Self::new(text)
    }
}

impl<const MIN: usize, const MAX: usize> FromStr for VisibleAscii<MIN, MAX> {
    type Err = VisibleAsciiError;

    fn from_str(text: &str) -> Result<Self, VisibleAsciiError> {
        Self::new(text)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for VisibleAscii<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Key = VisibleAscii<1, 4>;

    #[test]
    fn takes_what_a_header_takes_within_its_bounds() {
        for (text, expected) in [
            ("a", true),
            ("!~09", true),
            ("", false),
            ("abcde", false),
            ("a b", false),
            ("a\n", false),
            ("a\u{7f}", false),
            ("ä", false),
        ] {
            assert_eq!(Key::new(text).is_ok(), expected, "{text:?}");
            assert_eq!(
                serde_json::from_str::<Key>(&serde_json::to_string(text).unwrap()).is_ok(),
                expected,
                "{text:?}"
            );
        }
    }
}

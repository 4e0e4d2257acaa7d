use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};

/// A string of `MIN..=MAX` characters, none of them NUL.
///
/// Characters are Unicode scalar values, as in the contract's `minLength` and `maxLength`. NUL can be part of no path,
/// argument or environment variable.
///
/// ```
/// use sandbox_api::bounded::BoundedString;
///
/// type Path = BoundedString<1, 4096>;
/// assert_eq!(Path::new("data.csv")?.as_str(), "data.csv");
/// assert_eq!(Path::new("").unwrap_err().to_string(), "a length of 0 characters is outside 1..=4096");
/// # Ok::<(), sandbox_api::bounded::StringError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BoundedString<const MIN: usize, const MAX: usize>(String);

/// Why a string is not a [`BoundedString`]. It does not hold the string, which may be long or private.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StringError {
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
    /// There is a NUL character in it.
    #[error("a NUL character, here at byte {position}, is not allowed")]
    Nul {
        /// Where, in bytes from the beginning.
        position: usize,
    },
}

impl<const MIN: usize, const MAX: usize> BoundedString<MIN, MAX> {
    /// The smallest length allowed, in characters.
    pub const MIN: usize = MIN;
    /// The largest length allowed, in characters.
    pub const MAX: usize = MAX;

    /// Checks the string.
    ///
    /// # Errors
    /// [`StringError`] if it does not have `MIN..=MAX` characters or one of them is NUL.
    pub fn new(text: impl Into<String>) -> Result<Self, StringError> {
        let text = text.into();
        let characters = text.chars().count();
        if characters < MIN || characters > MAX {
            return Err(StringError::OutOfBounds {
                characters,
                min: MIN,
                max: MAX,
            });
        }
        match text.find('\0') {
            Some(position) => Err(StringError::Nul { position }),
            None => Ok(Self(text)),
        }
    }

    /// The string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The string, without a copy.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> AsRef<str> for BoundedString<MIN, MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> From<BoundedString<MIN, MAX>> for String {
    fn from(text: BoundedString<MIN, MAX>) -> Self {
        text.0
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<String> for BoundedString<MIN, MAX> {
    type Error = StringError;

    fn try_from(text: String) -> Result<Self, StringError> {
        Self::new(text)
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<&str> for BoundedString<MIN, MAX> {
    type Error = StringError;

    fn try_from(text: &str) -> Result<Self, StringError> {
        Self::new(text)
    }
}

impl<const MIN: usize, const MAX: usize> FromStr for BoundedString<MIN, MAX> {
    type Err = StringError;

    fn from_str(text: &str) -> Result<Self, StringError> {
        Self::new(text)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for BoundedString<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for BoundedString<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for BoundedString<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(Bounds::<MIN, MAX>)
    }
}

struct Bounds<const MIN: usize, const MAX: usize>;

impl<const MIN: usize, const MAX: usize> Visitor<'_> for Bounds<MIN, MAX> {
    type Value = BoundedString<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string of {MIN}..={MAX} characters")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        BoundedString::new(text).map_err(E::custom)
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        BoundedString::new(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Word = BoundedString<1, 4>;

    fn refused(json: &str) -> String {
        serde_json::from_str::<Word>(json).unwrap_err().to_string()
    }

    #[test]
    fn counts_characters_and_not_bytes() {
        for (text, expected) in [
            ("", false),
            ("a", true),
            ("äöüß", true),
            ("🦀🦀🦀🦀", true),
            ("äöüßa", false),
        ] {
            assert_eq!(Word::new(text).is_ok(), expected, "{text}");
            assert_eq!(
                serde_json::from_str::<Word>(&format!("{text:?}")).is_ok(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn names_length_and_bounds_but_not_the_text() {
        assert!(refused("\"secret\"").starts_with("a length of 6 characters is outside 1..=4"));
        assert!(!refused("\"secret\"").contains("secret"));
        assert!(refused("\"a\\u0000b\"").starts_with("a NUL character, here at byte 1, is not allowed"));
    }

    #[test]
    fn refuses_what_is_not_a_string() {
        for json in ["1", "null", "[\"a\"]", "{}"] {
            assert!(
                refused(json).contains("expected a string of 1..=4 characters"),
                "{json}: {}",
                refused(json)
            );
        }
    }

    #[test]
    fn is_written_as_a_bare_string() {
        let word = Word::new("a\"b").unwrap();
        assert_eq!(serde_json::to_string(&word).unwrap(), r#""a\"b""#);
        assert_eq!(word.to_string(), "a\"b");
    }
}

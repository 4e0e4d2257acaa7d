use sandbox_api::bounded::{BoundedString, StringError};

use crate::Error;

/// Checks a text's length, and that no NUL character is in it. The text itself is never quoted.
pub(crate) fn text<const MIN: usize, const MAX: usize>(
    name: &str,
    text: String,
) -> Result<BoundedString<MIN, MAX>, Error> {
    BoundedString::new(text).map_err(|error| {
        let reason = match error {
            StringError::OutOfBounds { characters: 0, .. } => "is empty".to_owned(),
            StringError::OutOfBounds { characters, min, max } => {
                format!("is {characters} characters long; it must be from {min} to {max}")
            }
            StringError::Nul { position } => format!("has a NUL character at byte {position}"),
        };
        Error::invalid_argument(name, reason)
    })
}

use sandbox_api::bounded::{VisibleAscii, VisibleAsciiError};

use crate::Error;

/// Checks a text that travels in a header. The text itself is never quoted.
pub(crate) fn visible_ascii<const MIN: usize, const MAX: usize>(
    name: &str,
    text: String,
) -> Result<VisibleAscii<MIN, MAX>, Error> {
    VisibleAscii::new(text).map_err(|error| {
        let reason = match error {
            VisibleAsciiError::OutOfBounds { characters: 0, .. } => "is empty".to_owned(),
            VisibleAsciiError::OutOfBounds { characters, min, max } => {
                format!("is {characters} characters long; it must be from {min} to {max}")
            }
            VisibleAsciiError::NotVisible { position } => {
                format!("has a character at byte {position} that is not visible ASCII")
            }
        };
        Error::invalid_argument(name, reason)
    })
}

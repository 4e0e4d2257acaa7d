use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// The identifier of a session: a UUID, parsed once where it enters the program.
///
/// ```
/// use sandbox_sessions::{ErrorKind, SessionId};
///
/// let id: SessionId = "550e8400-e29b-41d4-a716-446655440000".parse()?;
/// assert_eq!(id.to_string(), "550e8400-e29b-41d4-a716-446655440000");
///
/// let error = "non-existent-id".parse::<SessionId>().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
/// # Ok::<(), sandbox_sessions::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// The identifier as a UUID.
    ///
    /// ```
    /// use sandbox_sessions::SessionId;
    /// use uuid::Uuid;
    ///
    /// let uuid = Uuid::from_u128(0x550e8400_e29b_41d4_a716_446655440000);
    /// assert_eq!(SessionId::from(uuid).as_uuid(), &uuid);
    /// ```
    #[must_use]
    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl From<Uuid> for SessionId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for SessionId {
    type Err = Error;

    /// Accepts the hyphenated form in either case, as the API writes it, and no other notation of a UUID.
    fn from_str(text: &str) -> Result<Self, Error> {
        const HYPHENATED: usize = uuid::fmt::Hyphenated::LENGTH;
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == HYPHENATED => Ok(Self(id)),
            _ => {
                let shown: String = text.chars().take(2 * HYPHENATED).collect();
                Err(Error::invalid_argument(
                    "session id",
                    format!("{shown:?} is not a UUID"),
                ))
            }
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

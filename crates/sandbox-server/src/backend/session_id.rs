//! The name of a session.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name of a session: a UUID, written lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// A new random name.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The name that a digest stands for: the same one for the same digest, and never a [`random`](Self::random) one.
    #[must_use]
    pub fn from_digest(digest: [u8; 16]) -> Self {
        Self(uuid::Builder::from_custom_bytes(digest).into_uuid())
    }

    /// The name as a UUID.
    #[must_use]
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// The text is not a UUID in its hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session id is a UUID such as 550e8400-e29b-41d4-a716-446655440000")]
pub struct ParseSessionIdError(());

impl FromStr for SessionId {
    type Err = ParseSessionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `Uuid` also reads braces, URNs and bare hex: one session would have many addresses.
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(ParseSessionIdError(()));
        }
        text.parse().map(Self).map_err(|_| ParseSessionIdError(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_has_one_address() {
        let id = SessionId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        for other in [
            id.as_uuid().as_simple().to_string(),
            id.as_uuid().as_urn().to_string(),
            String::new(),
        ] {
            assert!(other.parse::<SessionId>().is_err(), "{other}");
        }
    }
}

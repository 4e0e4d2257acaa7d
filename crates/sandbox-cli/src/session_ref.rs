//! Sessions as people name them: by the whole id, or by its beginning.

use std::fmt;
use std::str::FromStr;

use anyhow::bail;
use sandbox_sessions::{Session, SessionId, SessionsClient};

use crate::failure::Failure;
use crate::{exit, sessions};

/// So few that they are typed easily, so many that a slip of the finger is not a session.
const FEWEST_DIGITS: usize = 4;
/// The most candidates that are named.
const SHOWN: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionRef {
    Id(SessionId),
    /// Lower case, shorter than an id.
    Beginning(String),
}

impl FromStr for SessionRef {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.len() >= FEWEST_DIGITS && begins_an_id(text) => {
                Ok(Self::Beginning(text.to_ascii_lowercase()))
            }
            Err(error) => bail!("{error}, nor {FEWEST_DIGITS} or more digits that one starts with"),
        }
    }
}

/// Filled up with what would follow, it is an id.
fn begins_an_id(text: &str) -> bool {
    const PATTERN: &str = "00000000-0000-0000-0000-000000000000";
    let rest = PATTERN.get(text.len()..).filter(|rest| !rest.is_empty());
    rest.is_some_and(|rest| format!("{text}{rest}").parse::<SessionId>().is_ok())
}

impl SessionRef {
    /// The session meant. A whole id costs nothing; for the beginning of one the sessions are listed.
    pub(crate) async fn resolve(&self, client: &SessionsClient) -> anyhow::Result<SessionId> {
        let beginning = match self {
            Self::Id(id) => return Ok(*id),
            Self::Beginning(beginning) => beginning,
        };
        let sessions = sessions::all(client).await?;
        let ids = sessions.iter().map(Session::id);
        let found: Vec<_> = ids.filter(|id| id.to_string().starts_with(beginning)).collect();
        Ok(only(beginning, &found)?)
    }
}

fn only(beginning: &str, found: &[SessionId]) -> Result<SessionId, Failure> {
    match found {
        [id] => Ok(*id),
        [] => Err(Failure::new(
            exit::NOT_THERE,
            format!("no session's id starts with {beginning}"),
        )
        .with_hint("`sandbox ls` lists the sessions there are")),
        several => {
            let mut names: Vec<_> = several.iter().take(SHOWN).map(SessionId::to_string).collect();
            if several.len() > SHOWN {
                names.push(format!("{} more", several.len() - SHOWN));
            }
            let message = format!(
                "{} sessions' ids start with {beginning}: {}",
                several.len(),
                names.join(", ")
            );
            Err(Failure::new(exit::BAD_VALUE, message).with_hint("give more digits"))
        }
    }
}

impl fmt::Display for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Beginning(beginning) => f.write_str(beginning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

    #[test]
    fn whole_ids_and_their_beginnings_are_told_apart() {
        assert_eq!(
            ID.parse::<SessionRef>().unwrap(),
            SessionRef::Id(ID.parse().unwrap())
        );
        for length in FEWEST_DIGITS..ID.len() {
            let beginning = ID.get(..length).unwrap();
            let parsed: SessionRef = beginning.to_uppercase().parse().unwrap();
            assert_eq!(parsed, SessionRef::Beginning(beginning.to_owned()));
        }
    }

    #[test]
    fn refuses_what_no_id_starts_with() {
        for text in [
            "",
            "550",
            "not-an-id",
            "550e84-0",
            "550e8400e",
            "55\u{fc}0",
            &format!("{ID}0"),
        ] {
            let error = text.parse::<SessionRef>().unwrap_err().to_string();
            assert!(error.contains("is not a UUID, nor 4 or more digits"), "{error}");
        }
    }

    #[test]
    fn beginnings_must_be_of_one_session() {
        let ids: Vec<SessionId> = (0..7)
            .map(|n| format!("550e8400-e29b-41d4-a716-44665544000{n}").parse().unwrap())
            .collect();
        assert_eq!(only("550e", &ids[..1]).unwrap(), ids[0]);
        let none = only("550e", &[]).unwrap_err();
        assert_eq!(
            (none.exit_code(), none.to_string().as_str()),
            (66, "no session's id starts with 550e")
        );
        let several = only("550e", &ids).unwrap_err();
        assert_eq!(several.exit_code(), 65);
        let message = several.to_string();
        assert!(
            message.starts_with("7 sessions' ids start with 550e: 550e8400-"),
            "{message}"
        );
        assert!(message.ends_with("440004, 2 more"), "{message}");
    }
}

//! Enumerations in answers, open to values that are newer than this build.
//!
//! A value that is not known is kept as it came, and written again as it came.

use std::{borrow::Cow, convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! open_enum {
    ($(#[$attribute:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $variant,)+
            /// A value this build does not know.
            Unknown(String),
        }

        impl $name {
            /// Every known value, as it is written.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// The value as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(text) => text,
                }
            }
        }

        impl From<Cow<'_, str>> for $name {
            fn from(text: Cow<'_, str>) -> Self {
                match text.as_ref() {
                    $($text => Self::$variant,)+
                    _ => Self::Unknown(text.into_owned()),
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Cow::from(text).into()
            }
        }

        impl FromStr for $name {
            type Err = Infallible;

            fn from_str(text: &str) -> Result<Self, Infallible> {
                Ok(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Cow::<'de, str>::deserialize(deserializer)?.into())
            }
        }
    };
}

open_enum! {
    /// Whether a session can run anything now.
    ///
    /// ```
    /// # use sandbox_api::open::SessionStatus;
    /// let status: SessionStatus = serde_json::from_str(r#""paused""#)?;
    /// assert_eq!(status, SessionStatus::Paused);
    /// assert_eq!(SessionStatus::KNOWN, ["running", "paused"]);
    ///
    /// let newer = SessionStatus::from("hibernating");
    /// assert_eq!(newer, SessionStatus::Unknown("hibernating".to_owned()));
    /// assert_eq!(newer.to_string(), "hibernating");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    SessionStatus {
        /// The session takes code, commands and files.
        Running = "running",
        /// The session is suspended until it is resumed.
        Paused = "paused",
    }
}

open_enum! {
    /// How an execution ended.
    ///
    /// ```
    /// # use sandbox_api::open::CommandStatus;
    /// fn describe(status: &CommandStatus) -> &str {
    ///     match status {
    ///         CommandStatus::Completed => "all went well",
    ///         CommandStatus::Failed => "it failed",
    ///         CommandStatus::Timeout => "it was stopped",
    ///         other => other.as_str(),
    ///     }
    /// }
    /// assert_eq!(describe(&CommandStatus::from("timeout")), "it was stopped");
    /// assert_eq!(describe(&CommandStatus::from("evicted")), "evicted");
    /// ```
    CommandStatus {
        /// With exit code 0.
        Completed = "completed",
        /// With another exit code, or by a signal.
        Failed = "failed",
        /// It was stopped because its timeout had passed.
        Timeout = "timeout",
    }
}

open_enum! {
    /// A server's health.
    ///
    /// ```
    /// # use sandbox_api::open::HealthStatus;
    /// assert_eq!("healthy".parse(), Ok(HealthStatus::Healthy));
    /// assert_ne!(HealthStatus::from("draining"), HealthStatus::Healthy);
    /// ```
    HealthStatus {
        /// The server can serve.
        Healthy = "healthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_round_trip() {
        for text in CommandStatus::KNOWN {
            let status = CommandStatus::from(*text);
            assert!(!matches!(status, CommandStatus::Unknown(_)), "{text}");
            assert_eq!(status.to_string(), *text);
        }
    }

    #[test]
    fn unknown_values_survive() {
        let status: SessionStatus = serde_json::from_str("\"hiber\\u006eating\"").unwrap();
        assert_eq!(status, SessionStatus::Unknown("hibernating".to_owned()));
        assert_eq!(serde_json::to_string(&status).unwrap(), "\"hibernating\"");
    }

    #[test]
    fn only_strings_are_values() {
        assert!(serde_json::from_str::<SessionStatus>("1").is_err());
        assert!(serde_json::from_str::<SessionStatus>("null").is_err());
    }
}

//! When a registry is asked.

use std::fmt;
use std::str::FromStr;

/// When a registry is asked for an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// When the image is not in the store. What is there is used with no network at all.
    #[default]
    Missing,
    /// Each time, whether the name still leads to what is in the store; only what is not there is fetched.
    Always,
    /// Never.
    Never,
}

/// A text is not a [`PullPolicy`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParsePullPolicyError;

impl FromStr for PullPolicy {
    type Err = ParsePullPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "missing" => Ok(Self::Missing),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(ParsePullPolicyError),
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

impl fmt::Display for ParsePullPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pull policy is missing, always or never")
    }
}

impl std::error::Error for ParsePullPolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_is_written() {
        for policy in [PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert_eq!("Always".parse::<PullPolicy>(), Err(ParsePullPolicyError));
    }
}

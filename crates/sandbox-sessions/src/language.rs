use std::fmt;
use std::str::FromStr;

use sandbox_api::types as wire;

use crate::Error;

/// A language that code can be written in.
///
/// ```
/// use sandbox_sessions::Language;
///
/// let language: Language = "javascript".parse()?;
/// assert_eq!(language, Language::JavaScript);
/// assert_eq!(language.as_str(), "javascript");
///
/// assert_eq!(Language::default(), Language::Python);
/// assert!(Language::ALL.contains(&Language::Bash));
/// assert!("ruby".parse::<Language>().is_err());
/// # Ok::<(), sandbox_sessions::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Language {
    /// Python, the default.
    #[default]
    Python,
    /// JavaScript.
    JavaScript,
    /// Bash.
    Bash,
}

impl Language {
    /// Every language.
    pub const ALL: &'static [Self] = &[Self::Python, Self::JavaScript, Self::Bash];

    /// The language's name, as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::Bash => "bash",
        }
    }

    pub(crate) fn to_wire(self) -> wire::Language {
        match self {
            Self::Python => wire::Language::Python,
            Self::JavaScript => wire::Language::Javascript,
            Self::Bash => wire::Language::Bash,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .iter()
            .copied()
            .find(|language| language.as_str() == text)
            .ok_or_else(|| {
                let shown: String = text.chars().take(32).collect();
                Error::invalid_argument(
                    "language",
                    format!("{shown:?} is not one of python, javascript and bash"),
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_apis_and_parse_back() {
        for language in Language::ALL {
            assert_eq!(language.to_wire().to_string(), language.as_str());
            assert_eq!(language.to_string().parse::<Language>().unwrap(), *language);
        }
        let error = "ruby".parse::<Language>().unwrap_err();
        assert_eq!(
            error.message(),
            "language \"ruby\" is not one of python, javascript and bash"
        );
    }
}

//! The configuration file.

use std::io;
use std::path::{Path, PathBuf};

use sandbox_sessions::SecretString;
use serde::Deserialize;

use super::private_file::{check_private, open, read_text, read_token};
use super::{Origin, Setting, shown};
use crate::exit;
use crate::failure::Failure;

#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) api_url: Option<String>,
    token: Option<SecretString>,
    token_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Keys {
    api_url: Option<String>,
    token: Option<SecretString>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

/// `sandbox/config.toml` below `XDG_CONFIG_HOME`, which is `~/.config` unless it is set. A relative path would mean
/// another place in each working directory, and is passed over as the XDG specification asks for.
pub(crate) fn default_path<E>(
    variable: impl Fn(&'static str) -> Result<Option<PathBuf>, E>,
) -> Result<Option<PathBuf>, E> {
    let absolute = |name| Ok(variable(name)?.filter(|path| path.is_absolute()));
    let parent = match absolute("XDG_CONFIG_HOME")? {
        None => absolute("HOME")?.map(|home| home.join(".config")),
        parent => parent,
    };
    Ok(parent.map(|parent| parent.join("sandbox/config.toml")))
}

impl ConfigFile {
    /// `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let unreadable = |error: io::Error| {
            Failure::new(exit::BAD_CONFIGURATION, format!("cannot read {}", shown(path))).with_source(error)
        };
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(unreadable)?,
        };
        let metadata = file.metadata().map_err(unreadable)?;
        let text = read_text(file).map_err(unreadable)?;
        let config = Self::parse(path, &text)?;
        if config.token.is_some() {
            check_private(path, &metadata)?;
        }
        Ok(Some(config))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let wrong = |line: Option<usize>, message: &str| {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            Failure::new(
                exit::BAD_CONFIGURATION,
                format!("{}{line}: {message}", shown(path)),
            )
        };
        let keys: Keys = toml::from_str(text).map_err(|error| {
            wrong(
                error.span().map(|span| line_of(text, span.start)),
                &reason(&error),
            )
        })?;
        if keys.token.is_some() && keys.token_file.is_some() {
            return Err(wrong(None, "`token` and `token-file` exclude each other"));
        }
        if keys.api_url.is_none() && (keys.token.is_some() || keys.token_file.is_some()) {
            return Err(wrong(
                None,
                "a token needs an `api-url` beside it, the only address it is sent to",
            ));
        }
        if keys.api_url.is_none() && keys.ca_file.is_some() {
            return Err(wrong(
                None,
                "`ca-file` needs an `api-url` beside it, the only address it is for",
            ));
        }
        let beside = path.parent().unwrap_or(Path::new(""));
        Ok(Self {
            path: path.to_owned(),
            api_url: keys.api_url,
            token: keys.token,
            token_file: keys.token_file.map(|file| beside.join(file)),
            ca_file: keys.ca_file.map(|file| beside.join(file)),
        })
    }

    /// The token that goes with the address.
    pub(super) fn token(&self) -> Result<Option<Setting<SecretString>>, Failure> {
        Ok(match (&self.token, &self.token_file) {
            (Some(token), _) => Some(Setting::new(token.clone(), Origin::File(self.path.clone()))),
            (None, Some(path)) => Some(Setting::new(read_token(path)?, Origin::File(path.clone()))),
            (None, None) => None,
        })
    }
}

/// Counted from 1.
fn line_of(text: &str, position: usize) -> usize {
    let before = text.as_bytes().get(..position).unwrap_or_default();
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// The parser quotes values of a wrong type, of which one may be a token.
fn reason(error: &toml::de::Error) -> String {
    match error.message() {
        message if message.starts_with("invalid type") => "the value is not a string".to_owned(),
        message => message.replace('\n', ", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let failure = ConfigFile::parse(Path::new("/c/config.toml"), text).unwrap_err();
        assert_eq!(failure.exit_code(), 78);
        failure.to_string()
    }

    #[test]
    fn unknown_keys_are_refused_by_file_line_and_name() {
        assert_eq!(
            refusal("# mine\napi-url = \"http://localhost/v1\"\ncolour = \"red\"\n"),
            "/c/config.toml:3: unknown field `colour`, expected one of `api-url`, `token`, `token-file`, `ca-file`"
        );
    }

    #[test]
    fn refusals_do_not_quote_what_may_be_a_token() {
        for text in [
            "api-url = \"u\"\ntoken = 8675309",
            "api-url = \"u\"\ntoken = hunter8675309",
            "api-url = \"u\"\ntoken = [\"8675309\"]",
            "api-url = \"u\"\ntoken = \"8675309",
            "token = \"8675309\"",
            "token = \"8675309\"\ntoken = \"8675309\"",
            "8675309",
        ] {
            let refusal = refusal(text);
            assert!(refusal.starts_with("/c/config.toml"), "{refusal}");
            assert!(!refusal.contains("867") && !refusal.contains('\n'), "{refusal}");
        }
    }

    #[test]
    fn a_token_belongs_to_one_address_and_has_one_place() {
        assert!(refusal("token = \"t\"").contains("api-url"));
        assert!(refusal("token-file = \"t\"").contains("api-url"));
        assert!(refusal("ca-file = \"t\"").contains("api-url"));
        assert!(refusal("api-url = \"u\"\ntoken = \"t\"\ntoken-file = \"t\"").contains("exclude"));
    }

    #[test]
    fn files_lie_beside_the_file_that_names_them() {
        let text = "api-url = \"u\"\ntoken-file = \"t\"\nca-file = \"pem/c\"";
        let config = ConfigFile::parse(Path::new("/c/config.toml"), text).unwrap();
        assert_eq!(config.token_file.as_deref(), Some(Path::new("/c/t")));
        assert_eq!(config.ca_file.as_deref(), Some(Path::new("/c/pem/c")));
    }

    #[test]
    fn the_usual_place_is_the_users_own() {
        let found = |config: Option<&str>, home: Option<&str>| {
            let variable = |name| {
                Ok::<_, std::convert::Infallible>(match name {
                    "XDG_CONFIG_HOME" => config.map(PathBuf::from),
                    "HOME" => home.map(PathBuf::from),
                    _ => None,
                })
            };
            default_path(variable).unwrap()
        };
        assert_eq!(
            found(Some("/c"), Some("/h")),
            Some("/c/sandbox/config.toml".into())
        );
        assert_eq!(
            found(Some("c"), Some("/h")),
            Some("/h/.config/sandbox/config.toml".into())
        );
        assert_eq!(found(None, None), None);
    }
}

//! Which API a command talks to: arguments before variables, variables before the configuration file.

mod config_file;
mod private_file;

use std::env::VarError;
use std::fmt;
use std::path::{Path, PathBuf};

use sandbox_sessions::{API_TOKEN_VARIABLE, API_URL_VARIABLE, SecretString};

pub(crate) use config_file::{ConfigFile, default_path};
pub(crate) use private_file::{check_private, read_certificates};

use crate::arguments::Connection;
use crate::exit;
use crate::failure::Failure;

/// The variable that names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "SANDBOX_CONFIG";

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Argument(&'static str),
    Variable(&'static str),
    File(PathBuf),
    /// The server that this command hosts itself.
    Own,
}

#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<T> Setting<T> {
    pub(crate) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) api_url: Option<Setting<String>>,
    pub(crate) token: Option<Setting<SecretString>>,
    /// Certificates to trust besides the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Where the configuration file is, or would be.
    pub(crate) config_path: Option<PathBuf>,
}

impl Settings {
    /// Reads what the arguments and variables name, and nothing else.
    pub(crate) fn gather(
        connection: &Connection,
        variable: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Self, Failure> {
        let variable = |name: &'static str| match variable(name) {
            Ok(value) => Ok(Some(Setting::new(value, Origin::Variable(name)))),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(Failure::new(
                exit::BAD_VALUE,
                format!("{name} is not valid Unicode"),
            )),
        };
        let given = connection
            .api_url
            .as_ref()
            .map(|url| Setting::new(url.clone(), Origin::Argument("--api-url")));
        let token = match &connection.token_file {
            Some(path) => Some(Setting::new(
                private_file::read_token(path)?,
                Origin::Argument("--token-file"),
            )),
            None => variable(API_TOKEN_VARIABLE)?.map(|token| Setting::new(token.value.into(), token.origin)),
        };
        let api_url = match given {
            None => variable(API_URL_VARIABLE)?,
            given => given,
        };
        let (config_path, file) = config_file(connection, &variable)?;
        let mut settings = Self {
            api_url,
            token,
            ca_file: connection.ca_file.clone(),
            config_path,
        };
        if let Some(file) = file {
            settings.fill_in(file)?;
        }
        Ok(settings)
    }

    /// The file's token is for the file's address: sent to another one, it would be given away. So is what it trusts.
    fn fill_in(&mut self, file: ConfigFile) -> Result<(), Failure> {
        if self.api_url.is_some() || file.api_url.is_none() {
            return Ok(());
        }
        if self.token.is_none() {
            self.token = file.token()?;
        }
        self.ca_file = self.ca_file.take().or(file.ca_file);
        self.api_url = file.api_url.map(|url| Setting::new(url, Origin::File(file.path)));
        Ok(())
    }
}

/// A file that is named has to be there; the usual one need not.
fn config_file(
    connection: &Connection,
    variable: &impl Fn(&'static str) -> Result<Option<Setting<String>>, Failure>,
) -> Result<(Option<PathBuf>, Option<ConfigFile>), Failure> {
    let named = match &connection.config {
        Some(path) => Some(path.clone()),
        None => variable(CONFIG_VARIABLE)?.map(|path| path.value.into()),
    };
    if let Some(path) = named {
        let file = ConfigFile::read(&path)?.ok_or_else(|| {
            Failure::new(
                exit::BAD_CONFIGURATION,
                format!("there is no configuration file {}", path.display()),
            )
        })?;
        return Ok((Some(path), Some(file)));
    }
    let path = default_path(|name| Ok(variable(name)?.map(|path| PathBuf::from(path.value))))?;
    let file = path.as_deref().map(ConfigFile::read).transpose()?.flatten();
    Ok((path, file))
}

/// What of a path is shown: as it is, but for what could mislead on a terminal.
pub(crate) fn shown(path: &Path) -> String {
    path.display()
        .to_string()
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(name) | Self::Variable(name) => f.write_str(name),
            Self::File(path) => f.write_str(&shown(path)),
            Self::Own => f.write_str("this command"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use secrecy::ExposeSecret;

    use super::*;

    /// What is found with an argument, with variables, and with a configuration file of this content.
    fn gather(
        argument: Option<&str>,
        variables: &[(&str, &str)],
        file: &str,
    ) -> Result<[String; 2], Failure> {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join(".config/sandbox/config.toml");
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(&config, file).unwrap();
        fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let connection = Connection {
            api_url: argument.map(str::to_owned),
            ..Connection::default()
        };
        let settings = Settings::gather(&connection, |name| match name {
            "HOME" => Ok(home.path().to_str().unwrap().to_owned()),
            _ => variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent),
        })?;
        let url = settings.api_url.map(|url| url.value);
        let token = settings.token.map(|token| token.value.expose_secret().to_owned());
        Ok([url, token].map(Option::unwrap_or_default))
    }

    #[test]
    fn arguments_go_before_variables_and_these_before_the_file() {
        const FILE: &str = "api-url = \"file\"\ntoken = \"file's\"";
        const URL: (&str, &str) = (API_URL_VARIABLE, "variable");
        const TOKEN: (&str, &str) = (API_TOKEN_VARIABLE, "variable's");
        for (argument, variables, file, found) in [
            (
                Some("argument"),
                &[URL, TOKEN][..],
                FILE,
                ["argument", "variable's"],
            ),
            (None, &[URL, TOKEN], FILE, ["variable", "variable's"]),
            (None, &[TOKEN], FILE, ["file", "variable's"]),
            (None, &[], FILE, ["file", "file's"]),
            (None, &[], "", ["", ""]),
            // The token of the file goes to the address of the file only.
            (None, &[URL], FILE, ["variable", ""]),
            (Some("argument"), &[], FILE, ["argument", ""]),
        ] {
            assert_eq!(
                gather(argument, variables, file).unwrap(),
                found,
                "{argument:?} {variables:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_even_if_it_is_not_needed() {
        let all = [(API_URL_VARIABLE, "u"), (API_TOKEN_VARIABLE, "t")];
        assert_eq!(
            gather(Some("a"), &all, "nonsense = 1").unwrap_err().exit_code(),
            78
        );
        let named = [(CONFIG_VARIABLE, "/nonexistent")];
        assert_eq!(gather(Some("a"), &named, "").unwrap_err().exit_code(), 78);
        let failure = Settings::gather(&Connection::default(), |_| {
            Err(VarError::NotUnicode(OsString::new()))
        });
        assert_eq!(
            failure.unwrap_err().to_string(),
            "SANDBOX_API_TOKEN is not valid Unicode"
        );
    }
}

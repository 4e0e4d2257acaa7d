use std::path::PathBuf;
use std::sync::Arc;

use sandbox_tunnel::{Auth, keys};
use secrecy::{ExposeSecret, SecretString};

use crate::Error;

/// How to log in, as the caller put it.
#[derive(Clone, Default)]
pub(super) enum Authentication {
    #[default]
    None,
    Key(SecretString),
    KeyFile(PathBuf),
    #[cfg(unix)]
    Agent,
    Password(SecretString),
}

impl Authentication {
    /// Reads what has to be read.
    pub(super) async fn resolve(self, passphrase: Option<&SecretString>) -> Result<Auth, Error> {
        Ok(match self {
            Self::None => Auth::None,
            Self::Key(text) => key("private key", &text, passphrase)?,
            Self::KeyFile(path) => {
                let text = tokio::fs::read_to_string(&path).await.map_err(|error| {
                    let reason = format!("{} cannot be read", path.display());
                    Error::invalid_argument("private key file", reason).with_source(error)
                })?;
                key(
                    &format!("private key file {}", path.display()),
                    &text.into(),
                    passphrase,
                )?
            }
            #[cfg(unix)]
            Self::Agent => Auth::Agent,
            Self::Password(password) => Auth::Password(password),
        })
    }
}

fn key(name: &str, text: &SecretString, passphrase: Option<&SecretString>) -> Result<Auth, Error> {
    keys::parse_private(text.expose_secret(), passphrase.map(ExposeSecret::expose_secret))
        .map(|key| Auth::Key(Arc::new(key)))
        .map_err(|error| Error::invalid_argument(name, "cannot be used").with_source(error))
}

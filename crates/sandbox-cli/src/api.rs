//! The API that a command talks to.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use sandbox_sessions::{SecretString, SessionsClient};

use crate::arguments::Connection;
use crate::failure::Failure;
use crate::settings::{Origin, Setting, Settings, read_certificates, shown};
use crate::{exit, hint, output, runtime_file};

pub(crate) struct Api {
    pub(crate) client: SessionsClient,
    pub(crate) url_origin: Origin,
    pub(crate) token_origin: Origin,
}

impl Api {
    /// The API that is named, or that of the user's own `sandbox serve`.
    pub(crate) fn find(connection: &Connection) -> anyhow::Result<Self> {
        let settings = reachable(connection)?;
        match (settings.api_url, settings.token) {
            (None, _) => Err(no_api(settings.config_path.as_deref()).into()),
            (Some(url), None) => Err(no_token(&url, settings.config_path.as_deref()).into()),
            (Some(url), Some(token)) => Self::new(url, token, settings.ca_file.as_deref()),
        }
    }

    /// As [`find`](Self::find), for what needs no token.
    pub(crate) fn find_for_anybody(connection: &Connection) -> anyhow::Result<Self> {
        let settings = reachable(connection)?;
        // Never sent; a client is not made without one.
        let nobody = || Setting::new(SecretString::from("nobody"), Origin::Own);
        match settings.api_url {
            Some(url) => Self::new(
                url,
                settings.token.unwrap_or_else(nobody),
                settings.ca_file.as_deref(),
            ),
            None => Err(no_api(settings.config_path.as_deref()).into()),
        }
    }

    /// The API that arguments, variables or the configuration file name. A server that happens to run is not asked:
    /// what a command does should not change because of it.
    pub(crate) fn named(connection: &Connection) -> anyhow::Result<Option<Self>> {
        let settings = Settings::gather(connection, |name| env::var(name))?;
        match (settings.api_url, settings.token) {
            (None, _) => Ok(None),
            (Some(url), None) => Err(no_token(&url, settings.config_path.as_deref()).into()),
            (Some(url), Some(token)) => Self::new(url, token, settings.ca_file.as_deref()).map(Some),
        }
    }

    /// The server in this process.
    pub(crate) fn own(client: SessionsClient) -> Self {
        Self {
            client,
            url_origin: Origin::Own,
            token_origin: Origin::Own,
        }
    }

    /// Tells of an error, and what to do about it given this API.
    pub(crate) fn report(&self, error: &anyhow::Error) {
        output::error(error, hint::hint(error, Some(self)).as_deref());
    }

    /// Reports an error and turns it into an exit code, but for that nobody reads.
    pub(crate) fn told(&self, outcome: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
        match outcome {
            Err(error) if !error.is::<output::NobodyReads>() => {
                self.report(&error);
                Ok(exit::code(&error))
            }
            outcome => outcome,
        }
    }

    fn new(
        url: Setting<String>,
        token: Setting<SecretString>,
        ca_file: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let mut builder = SessionsClient::builder().url(url.value).token(token.value);
        if let Some(path) = ca_file {
            builder = builder.root_certificates_pem(read_certificates(path)?);
        }
        let client = builder.build().with_context(|| {
            format!(
                "cannot use the address from {} with the token from {}",
                url.origin, token.origin
            )
        })?;
        Ok(Self {
            client,
            url_origin: url.origin,
            token_origin: token.origin,
        })
    }
}

/// Settings that name an API, if need be that of the user's own server.
fn reachable(connection: &Connection) -> anyhow::Result<Settings> {
    let mut settings = Settings::gather(connection, |name| env::var(name))?;
    if settings.api_url.is_some() {
        return Ok(settings);
    }
    let place = runtime_file::place(|name| env::var_os(name).map(Into::into));
    let running = runtime_file::find(&place)?.ok_or_else(|| no_api(settings.config_path.as_deref()))?;
    let origin = Origin::File(place);
    settings.ca_file = settings.ca_file.or(running.ca_file);
    settings.api_url = Some(Setting::new(running.url, origin.clone()));
    settings.token = settings
        .token
        .or_else(|| running.token.map(|token| Setting::new(token, origin)));
    Ok(settings)
}

fn no_api(config_path: Option<&Path>) -> Failure {
    let place = config_path
        .map(|path| format!(", or as `api-url` in {}", shown(path)))
        .unwrap_or_default();
    Failure::new(
        exit::BAD_CONFIGURATION,
        "nothing names an API, and no server of yours runs",
    )
    .with_hint(format!(
        "`sandbox serve` starts a server; another one is named by --api-url, by SANDBOX_API_URL{place}"
    ))
}

fn no_token(url: &Setting<String>, config_path: Option<&Path>) -> Failure {
    let place = config_path
        .map(|path| {
            format!(
                ", or as `token` or `token-file` beside `api-url` in {}",
                shown(path)
            )
        })
        .unwrap_or_default();
    let message = format!("no token is named for the API that {} names", url.origin);
    Failure::new(exit::BAD_CONFIGURATION, message)
        .with_hint(format!("name one by --token-file, by SANDBOX_API_TOKEN{place}"))
}

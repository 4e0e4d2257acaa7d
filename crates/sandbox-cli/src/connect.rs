//! Which API a command talks to.

use std::env::{self, VarError};

use anyhow::Context;
use sandbox_sessions::{API_URL_VARIABLE, SessionsClient, SessionsClientBuilder};

use crate::arguments::Connection;

/// A client for the API that the flag or the environment names.
pub(crate) fn client(connection: &Connection) -> anyhow::Result<SessionsClient> {
    let lookup = |name: &str| match &connection.api_url {
        Some(url) if name == API_URL_VARIABLE => Ok(url.clone()),
        _ => env::var(name),
    };
    SessionsClientBuilder::from_lookup(lookup)
        .and_then(SessionsClientBuilder::build)
        .context("no API to talk to; `sandbox serve` starts one and prints the variables that name it")
}

/// Whether anything names an API, be it rightly or wrongly.
pub(crate) fn is_named(connection: &Connection) -> bool {
    connection.api_url.is_some() || env::var(API_URL_VARIABLE) != Err(VarError::NotPresent)
}

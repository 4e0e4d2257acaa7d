//! Credentials, from Docker's configuration file and the helpers it names.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::blocking::blocking;
use crate::name::DOCKER_HUB;
use crate::{Error, ErrorKind, Result};

const MAX_FILE: u64 = 1 << 20;
/// The longest answer of a helper.
const MAX_ANSWER: u64 = 64 << 10;
/// How long a helper may take, which may have to ask somebody.
const HELPER: Duration = Duration::from_secs(60);
/// What Docker's file and helpers have Docker Hub's credentials under.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// A helper's user name when its secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What a registry may be shown.
#[derive(Debug)]
pub(super) enum Credential {
    Password {
        user: String,
        password: SecretString,
    },
    /// What tokens are had for.
    IdentityToken(SecretString),
}

/// Docker's configuration file, which is read when a registry wants credentials.
#[derive(Debug, Clone)]
pub(super) struct DockerConfig {
    path: Option<PathBuf>,
    /// Whether somebody said that it is there.
    named: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFile {
    #[serde(default)]
    auths: HashMap<String, WireAuth>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: HashMap<String, String>,
}

#[derive(Deserialize)]
struct WireAuth {
    auth: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    identitytoken: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAnswer {
    username: String,
    secret: SecretString,
}

impl DockerConfig {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path: Some(path),
            named: true,
        }
    }

    /// Where Docker has it.
    pub(super) fn of_user() -> Self {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let dir = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")));
        Self {
            path: dir.map(|dir| dir.join("config.json")),
            named: false,
        }
    }

    /// What there is for this registry.
    pub(super) async fn credential(&self, registry: &str) -> Result<Option<Credential>> {
        let this = self.clone();
        let file = blocking(move || this.read()).await?;
        let fits = |key: &&String| host_of(key) == registry;
        if let Some((_, helper)) = file.cred_helpers.iter().find(|(key, _)| fits(key)) {
            return ask(helper, registry).await;
        }
        if let Some((_, auth)) = file.auths.into_iter().find(|(key, _)| fits(&key)) {
            let found = auth.credential().ok_or_else(|| {
                unauthorized(format!(
                    "Docker's configuration has credentials for {registry} that cannot be read"
                ))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        match file.creds_store {
            Some(helper) if !helper.is_empty() => ask(&helper, registry).await,
            _ => Ok(None),
        }
    }

    fn read(&self) -> Result<WireFile> {
        let Some(path) = &self.path else {
            return Ok(WireFile::default());
        };
        let mut content = Vec::new();
        match std::fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut content)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound && !self.named => return Ok(WireFile::default()),
            Err(e) => return Err(unreadable(path).with_source(e)),
        }
        // The cause might quote a secret.
        serde_json::from_slice(&content).map_err(|_| unreadable(path))
    }
}

impl WireAuth {
    /// `Some(None)` for the empty one that Docker leaves where a helper has the credentials; `None` for nonsense.
    fn credential(self) -> Option<Option<Credential>> {
        let set = |secret: &SecretString| !secret.expose_secret().is_empty();
        if let Some(token) = self.identitytoken.filter(set) {
            return Some(Some(Credential::IdentityToken(token)));
        }
        if let Some(auth) = self.auth.filter(set) {
            let pair = STANDARD_PAD_INDIFFERENT.decode(auth.expose_secret()).ok()?;
            let pair = SecretString::from(String::from_utf8(pair).ok()?);
            let (user, password) = pair.expose_secret().split_once(':')?;
            return Some(Some(Credential::Password {
                user: user.to_owned(),
                password: password.trim_matches('\0').into(),
            }));
        }
        let pair = self.username.zip(self.password);
        Some(pair.map(|(user, password)| Credential::Password { user, password }))
    }
}

/// Asks a helper, which is a program of the user's choice. What it says when it fails is its own and his.
async fn ask(helper: &str, registry: &str) -> Result<Option<Credential>> {
    let failed = |what: &str| unauthorized(format!("the credential helper {helper:?} for {registry} {what}"));
    if helper.contains('/') {
        return Err(failed("is no name of a program"));
    }
    let key = if registry == DOCKER_HUB {
        DOCKER_HUB_KEY
    } else {
        registry
    };
    let answered = tokio::time::timeout(HELPER, run(&format!("docker-credential-{helper}"), key)).await;
    let (success, answer) = match answered {
        Ok(answered) => answered.map_err(|e| failed("cannot be run").with_source(e))?,
        Err(_) => return Err(failed("does not answer")),
    };
    if !success {
        // All helpers say this when they have nothing.
        let nothing = String::from_utf8_lossy(&answer).contains("credentials not found");
        return if nothing {
            Ok(None)
        } else {
            Err(failed("has failed"))
        };
    }
    let answer: WireAnswer =
        serde_json::from_slice(&answer).map_err(|_| failed("has an answer that cannot be read"))?;
    Ok(Some(if answer.username == TOKEN_USER {
        Credential::IdentityToken(answer.secret)
    } else {
        Credential::Password {
            user: answer.username,
            password: answer.secret,
        }
    }))
}

/// Whether it succeeded, and what it said. Dropped, it is killed.
async fn run(program: &str, key: &str) -> io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who answers without having read what was asked may.
        let _ = stdin.write_all(format!("{key}\n").as_bytes()).await;
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    }
    Ok((child.wait().await?.success(), answer))
}

/// The registry that a key of Docker's file is for, as names of images have it.
fn host_of(key: &str) -> &str {
    let after = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let host = after.map_or(key, |rest| rest.split('/').next().unwrap_or(rest));
    match host {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        host => host,
    }
}

fn unreadable(path: &Path) -> Error {
    unauthorized(format!(
        "Docker's configuration {} cannot be read",
        path.display()
    ))
}

fn unauthorized(message: String) -> Error {
    Error::new(ErrorKind::Unauthorized, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(config: &str, registry: &str) -> Result<Option<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let found = runtime.block_on(DockerConfig::at(file.path().to_owned()).credential(registry))?;
        Ok(found.map(|credential| match credential {
            Credential::Password { user, password } => format!("{user}:{}", password.expose_secret()),
            Credential::IdentityToken(token) => format!("token {}", token.expose_secret()),
        }))
    }

    #[test]
    fn a_registry_is_found_by_whatever_name_docker_has_for_it() {
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnBhOnNz"},
            "localhost:5000": {"username": "user", "password": "pass"},
            "https://other.example": {"identitytoken": "secret"},
            "empty.example": {}
        }}"#;
        assert_eq!(found(config, "docker.io").unwrap().unwrap(), "hub:pa:ss");
        assert_eq!(found(config, "localhost:5000").unwrap().unwrap(), "user:pass");
        assert_eq!(found(config, "other.example").unwrap().unwrap(), "token secret");
        for none in ["empty.example", "localhost", "example"] {
            assert_eq!(found(config, none).unwrap(), None, "{none}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_without_what_it_says() {
        let secrets = [
            "{\"auths\": {\"a.example\": {\"auth\": \"c2VjcmV0\"}}}",
            "{\"auths\": \"c2VjcmV0\"}",
        ];
        for config in secrets {
            let error = found(config, "a.example").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthorized);
            let all = format!("{error:?}");
            assert!(!all.contains("c2VjcmV0") && !all.contains("secret"), "{all}");
        }
        let missing = found(r#"{"credsStore": "is-not-on-this-machine"}"#, "a.example").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Unauthorized);
    }
}

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use sandbox_sessions::Session;

use crate::api::Api;
use crate::arguments::{Connection, SshConfig};
use crate::{output, sessions};

/// Prints what OpenSSH's programs have to know of sessions.
pub(crate) async fn run(config: &SshConfig, api: &Api) -> anyhow::Result<ExitCode> {
    let sessions = match &config.session {
        Some(session) => {
            let id = session.resolve(&api.client).await?;
            vec![api.client.get_session(&id).await?]
        }
        None => sessions::all(&api.client).await?,
    };
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    for session in &sessions {
        output::line(&stanza(session, &program, config)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A section for one session. The host key is pinned without a file that somebody would have to keep: OpenSSH asks a
/// program for the keys it knows.
fn stanza(session: &Session, program: &Path, config: &SshConfig) -> anyhow::Result<String> {
    let id = session.id().to_string();
    let beginning = id.split('-').next().unwrap_or_default();
    let mut lines = vec![
        format!("Host sandbox-{beginning} {id}"),
        format!("HostName {id}"),
        format!("HostKeyAlias {id}"),
        "User sandbox".to_owned(),
        format!(
            "ProxyCommand {}",
            proxy_command(program, &id, &config.connection)?
        ),
        "UserKnownHostsFile none".to_owned(),
        "GlobalKnownHostsFile none".to_owned(),
    ];
    match session.ssh_host_key() {
        Some(key) => {
            // Without the comment, which is anybody's words.
            let key: Vec<&str> = key.split_ascii_whitespace().take(2).collect();
            lines.push(format!("KnownHostsCommand /bin/echo {id} {}", key.join(" ")));
            lines.push("StrictHostKeyChecking yes".to_owned());
        }
        None => lines.push("StrictHostKeyChecking no".to_owned()),
    }
    if let Some(identity) = &config.identity {
        let path = std::path::absolute(identity)?;
        lines.push(format!("IdentityFile \"{}\"", escaped(&text(&path)?)));
        lines.push("IdentitiesOnly yes".to_owned());
    }
    Ok(lines.join("\n    ") + "\n")
}

/// A line for a shell, in which OpenSSH replaces what follows a `%`.
fn proxy_command(program: &Path, id: &str, connection: &Connection) -> anyhow::Result<String> {
    let mut words = vec![text(program)?, "proxy".to_owned(), id.to_owned()];
    if let Some(url) = &connection.api_url {
        words.extend(["--api-url".to_owned(), url.clone()]);
    }
    for (name, path) in [
        ("--token-file", &connection.token_file),
        ("--ca-file", &connection.ca_file),
        ("--config", &connection.config),
    ] {
        if let Some(path) = path {
            words.extend([name.to_owned(), text(&std::path::absolute(path)?)?]);
        }
    }
    let line = shlex::try_join(words.iter().map(String::as_str))?;
    Ok(escaped(&line))
}

fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))?;
    anyhow::ensure!(
        !text.contains(['\n', '"']),
        "{text:?} cannot be written into a configuration of OpenSSH"
    );
    Ok(text.to_owned())
}

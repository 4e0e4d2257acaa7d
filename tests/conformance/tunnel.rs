//! SSH through the port of the API.

use std::sync::Arc;

use libtest_mimic::Trial;
use sandbox_sessions::{Error, ErrorKind, Session, SessionSshClient, SessionsClient};

use crate::server::Server;
use crate::trial::{Held, Unsupported, trials};

pub(crate) fn trials(server: &Arc<Server>) -> Vec<Trial> {
    trials![server,
        "CONNECT":
            a_command_runs_over_ssh,
            files_go_over_sftp,
            a_tunnel_needs_a_session,
            a_tunnel_needs_a_token;
    ]
}

/// A refusal that only says that there are no tunnels here.
fn unsupported(error: &Error) -> Option<Unsupported> {
    let code = error.error_code();
    let refused = match error.status_code()? {
        405 | 501 => true,
        404 => code != Some("SESSION_NOT_FOUND"),
        _ => false,
    };
    refused.then(|| Unsupported(error.message().to_owned()))
}

async fn connected(session: &Session) -> Result<SessionSshClient, Unsupported> {
    session
        .ssh()
        .await
        .map_err(|error| unsupported(&error).unwrap_or_else(|| panic!("{error}")))
}

async fn a_command_runs_over_ssh(server: &Server) -> Held {
    let session = server.session().await;
    let ssh = connected(&session).await?;
    let output = ssh
        .run_command("pwd; whoami; cat; exit 3")
        .stdin("input")
        .await
        .expect("it runs");
    assert_eq!(
        (output.stdout(), output.exit_code()),
        ("/workspace\nsandbox\ninput".into(), Some(3))
    );
    Ok(())
}

async fn files_go_over_sftp(server: &Server) -> Held {
    let session = server.session().await;
    let ssh = connected(&session).await?;
    let here = tempfile::tempdir().expect("a directory");
    std::fs::write(here.path().join("there"), [7; 100_000]).expect("a file");
    ssh.upload(here.path().join("there"), "/workspace/there")
        .await
        .expect("it goes there");
    let counted = session.run_command("wc -c < there").await.expect("it runs");
    assert_eq!(counted.stdout().trim(), "100000");
    ssh.download("/workspace/there", here.path().join("back"))
        .await
        .expect("it comes back");
    assert_eq!(
        std::fs::read(here.path().join("back")).expect("a file"),
        [7; 100_000]
    );
    Ok(())
}

async fn a_tunnel_needs_a_session(server: &Server) -> Held {
    let session = server.session().await;
    connected(&session).await?;
    session.delete().await.expect("it is deleted");
    let error = session.ssh().await.expect_err("a refusal");
    assert_eq!(
        (error.kind(), error.status_code()),
        (ErrorKind::SessionNotFound, Some(404)),
        "{error}"
    );
    Ok(())
}

async fn a_tunnel_needs_a_token(server: &Server) -> Held {
    let session = server.session().await;
    connected(&session).await?;
    let stranger = SessionsClient::new(server.sdk().api_url(), "not-the-token-0123456789abcdef");
    let stranger = stranger.expect("a client");
    let refused = stranger.ssh(&session.id()).danger_accept_any_host_key().await;
    let error = refused.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    Ok(())
}

//! A tour of the whole SDK that checks what it sees, and so also a test of an API: it fails where something is not
//! as it should be.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, ErrorKind, Language, Session, SessionStatus, SessionsClient};
use serde_json::json;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let client = SessionsClient::from_env()?;
    check("the API is healthy", client.check_health().await.is_ok())?;
    let session = create(&client).await?.delete_on_drop();
    find(&client, &session).await?;
    run(&session).await?;
    move_files(&session).await?;
    refuse(&client, &session).await?;
    let id = session.id();
    session.delete().await?;
    let gone = client.get_session(&id).await;
    check("a deleted session is gone", is(&gone, ErrorKind::SessionNotFound))?;
    println!("All is well");
    Ok(())
}

async fn create(client: &SessionsClient) -> Result<Session, Box<dyn std::error::Error>> {
    let session = client
        .create_session()
        .ttl(Duration::from_secs(300))
        .metadata(json!({ "purpose": "tour" }))
        .await?;
    check("a new session runs", *session.status() == SessionStatus::Running)?;
    let lives = session.expires_at() - session.created_at();
    check("it lives as long as was asked for", lives.num_seconds() == 300)?;
    check("it keeps its metadata", session.metadata()["purpose"] == "tour")?;
    Ok(session)
}

async fn find(client: &SessionsClient, session: &Session) -> Outcome {
    let found = client.get_session(&session.id()).await?;
    check("a session can be fetched", found.id() == session.id())?;
    let page = client.list_sessions().limit(1).await?;
    check(
        "a page has its size",
        page.sessions().len() == 1 && page.total() >= 1,
    )?;
    let mut sessions = client.list_sessions().stream();
    while let Some(found) = sessions.next().await {
        if found?.id() == session.id() {
            return check("the list has the session", true);
        }
    }
    check("the list has the session", false)
}

async fn run(session: &Session) -> Outcome {
    for (language, code) in [
        (Language::Python, "print(6 * 7)"),
        (Language::Bash, "echo $((6 * 7))"),
    ] {
        let result = session.run_code(code).language(language).await?;
        let name = language.as_str();
        check(
            &format!("{name} runs"),
            result.success() && result.stdout() == "42\n",
        )?;
    }
    let failed = session.run_command("exit 3").await?;
    check("an exit code comes back", failed.exit_code() == Some(3))
}

async fn move_files(session: &Session) -> Outcome {
    session.upload_file("tour.txt", "there and back").await?;
    let content = session.download_file("tour.txt").await?.bytes(1024).await?;
    check("a file goes there and back", content == "there and back")
}

async fn refuse(client: &SessionsClient, session: &Session) -> Outcome {
    let short = client.create_session().ttl(Duration::from_secs(1)).await;
    check(
        "a time to live that is too short is refused",
        is(&short, ErrorKind::InvalidArgument),
    )?;
    let missing = session.download_file("missing.txt").await;
    check(
        "a file that is missing is an error",
        is(&missing, ErrorKind::Operation),
    )?;
    let stranger = SessionsClient::new(client.api_url(), "not-the-token")?;
    let refused = stranger.list_sessions().await;
    check("a wrong token is refused", is(&refused, ErrorKind::Unauthorized))
}

fn is<T>(result: &Result<T, Error>, kind: ErrorKind) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == kind)
}

fn check(what: &str, holds: bool) -> Outcome {
    if holds {
        println!("ok: {what}");
        Ok(())
    } else {
        Err(format!("not so: {what}").into())
    }
}

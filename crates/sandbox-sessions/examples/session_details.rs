//! Look at a session: its attributes, its JSON, and what changes when it is paused.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{SessionStatus, SessionsClient};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = SessionsClient::from_env()?;
    let mut session = client
        .create_session()
        .metadata(json!({ "user": "alice" }))
        .await?
        .delete_on_drop();

    println!("Id: {}", session.id());
    println!("Status: {}", session.status());
    println!(
        "Lives for: {} s",
        (session.expires_at() - session.created_at()).num_seconds()
    );
    println!("User: {}", session.metadata()["user"]);
    println!("As JSON: {}", serde_json::to_string(&*session)?);
    println!("In a log: {:?}", *session);

    // Not every server can pause a session.
    match session.pause().await {
        Ok(()) => {
            println!("Paused: {}", *session.status() == SessionStatus::Paused);
            session.resume().await?;
        }
        Err(error) if error.status_code() == Some(501) => println!("Cannot pause: {}", error.message()),
        Err(error) => return Err(error.into()),
    }
    session
        .wait_until_running()
        .timeout(Duration::from_secs(10))
        .await?;
    println!("In the end: {session}", session = *session);
    session.delete().await?;
    Ok(())
}

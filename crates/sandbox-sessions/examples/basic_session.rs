//! Create a session, look at it, delete it.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, SessionsClient};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;

    // Create a session.
    let session = client
        .create_session()
        .ttl(Duration::from_secs(3600))
        .image("python:3.11")
        .metadata(json!({ "project": "test" }))
        .await?;

    // Use it.
    println!("Created: {}", session.id());

    // Get its details.
    let details = client.get_session(&session.id()).await?;
    println!("Status: {}", details.status());

    // Delete it when done.
    client.delete_session(&session.id()).await
}

//! Work with several sessions.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, SessionsClient};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;

    // Create several sessions.
    let mut sessions = Vec::new();
    for environment in ["dev", "staging", "prod"] {
        let session = client
            .create_session()
            .ttl(Duration::from_secs(1800))
            .metadata(json!({ "environment": environment }))
            .await?;
        sessions.push(session);
    }

    // Process them all.
    for session in &sessions {
        println!("Processing {}", session.id());
        // ... do work ...
    }

    // Clean up.
    for session in &sessions {
        client.delete_session(&session.id()).await?;
    }
    Ok(())
}

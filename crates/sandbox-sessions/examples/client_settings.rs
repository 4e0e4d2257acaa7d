//! Make a client to measure: timeouts, certificates, repetitions.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, RetryPolicy, SessionsClient, SessionsClientBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // What the environment says, and more. `SessionsClient::builder()` would start from nothing.
    let client = SessionsClientBuilder::from_env()?
        .timeout(Duration::from_secs(10))
        .user_agent("settings-example/1.0")
        .retries(RetryPolicy::default().max_attempts(5))
        // .root_certificates_pem(std::fs::read("our-authority.pem")?)
        .build()?;
    println!("API: {}", client.api_url());
    println!("Health: {}", client.check_health().await?);

    // A client is cheap to clone, and clones share their connections.
    let clone: SessionsClient = client.clone();
    let created = tokio::spawn(async move { clone.create_session().await });
    let session = created
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    println!("Created: {}", session.id());
    client.delete_session(&session.id()).await
}

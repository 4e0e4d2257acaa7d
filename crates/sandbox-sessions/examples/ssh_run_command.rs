//! Create a session over REST, run a command in it over SSH, through the same API port.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, SessionsClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;

    // Create a session over REST.
    let session = client
        .create_session()
        .ttl(Duration::from_secs(1800))
        .image("python:3.11")
        .await?;

    // SSH over HTTP CONNECT to the same API server.
    let ssh = session.ssh().await?;
    let output = ssh.run_command("echo hello && python3 --version").await?;
    println!("{}", output.stdout());
    println!("exit code: {:?}", output.exit_code());

    // Clean up over REST.
    session.delete().await
}

//! Run Python and Bash in a session.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, Language, SessionsClient};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;

    // Create a session with a Python image.
    let session = client
        .create_session()
        .ttl(Duration::from_secs(600))
        .image("python:3.11")
        .metadata(json!({ "example": "run_code" }))
        .await?;

    // Run Python code.
    let python = session
        .run_code(r#"print("Hello from Python!")"#)
        .language(Language::Python)
        .timeout(Duration::from_secs(30))
        .await?;
    match python.exit_code() {
        Some(code) => println!("Python: {} {code}", python.status()),
        None => println!("Python: {} without an exit code", python.status()),
    }
    println!("{}", python.stdout());

    // Run a Bash command.
    let bash = session
        .run_code("echo $SHELL && ls -1 | head -n 3")
        .language(Language::Bash)
        .timeout(Duration::from_secs(20))
        .await?;
    println!("Bash: {}", bash.status());
    println!("{}", bash.stdout());

    // Clean up.
    session.delete().await
}

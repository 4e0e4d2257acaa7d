//! Tell the kinds of errors apart.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::process::ExitCode;
use std::time::Duration;

use sandbox_sessions::{Error, ErrorKind, SessionsClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = work().await else {
        return ExitCode::SUCCESS;
    };
    match error.kind() {
        ErrorKind::Unauthorized => println!("Auth failed: {}", error.message()),
        ErrorKind::SessionNotFound => println!("Session not found: {}", error.message()),
        ErrorKind::RateLimited => match error.rate_limit().and_then(|limit| limit.retry_after()) {
            Some(wait) => println!("Rate limited. Try again in {} seconds", wait.as_secs()),
            None => println!("Rate limited. Try again later"),
        },
        ErrorKind::Operation => {
            println!(
                "Operation failed: {} ({})",
                error.message(),
                error.error_code().unwrap_or("no code")
            );
        }
        _ => println!("{}: {error}", error.kind()),
    }
    ExitCode::FAILURE
}

async fn work() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;
    let session = client.create_session().ttl(Duration::from_secs(3600)).await?;
    // ... do work ...
    client.delete_session(&session.id()).await
}

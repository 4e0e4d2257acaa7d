//! Run shell commands, with an environment and a timeout.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{CommandStatus, Error, SessionsClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;
    let session = client.create_session().await?.delete_on_drop();

    let greeting = session
        .run_command(r#"echo "Hello, $NAME!""#)
        .env("NAME", "world")
        .await?;
    print!("{}", greeting.stdout());

    // A command that fails is a result like any other.
    let failed = session.run_command("ls nowhere").await?;
    println!("Exit code {:?}: {}", failed.exit_code(), failed.stderr().trim());

    // So is one that takes too long; what it printed is kept.
    let slow = session
        .run_command("echo started; sleep 60")
        .timeout(Duration::from_secs(1))
        .await?;
    if *slow.status() == CommandStatus::Timeout {
        println!("Stopped after: {}", slow.stdout().trim());
    }
    session.delete().await
}

//! Decide how failed requests are repeated.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, ErrorKind, RetryPolicy, SessionsClientBuilder};
use uuid::Uuid;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // A nightly job has time: it waits for rate limits and sits out a restart of the API.
    let policy = RetryPolicy::default()
        .max_attempts(10)
        .total_time(Duration::from_secs(300))
        .rate_limit_wait(Duration::from_secs(60));
    let client = SessionsClientBuilder::from_env()?
        .timeout(Duration::from_secs(20))
        .retries(policy)
        .build()?;

    // With a key of its own, a creation can be repeated without creating a second session.
    // It should be random; a program that keeps it can ask again after it was restarted.
    let key = Uuid::new_v4().to_string();
    let session = match client.create_session().idempotency_key(&key).await {
        Err(error) if error.kind() == ErrorKind::RateLimited => {
            println!("Still limited after {} attempts", error.attempts());
            return Err(error);
        }
        result => result?,
    };

    // The same key is the same session.
    let again = client.create_session().idempotency_key(&key).await?;
    println!("The same session: {}", again.id() == session.id());

    session.delete().await
}

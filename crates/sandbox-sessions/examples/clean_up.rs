//! Let sessions end with the scope that made them, whatever ends the scope.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::{Error, ErrorKind, SessionGuard, SessionsClient};

/// The time to live covers what no destructor can: a process that is killed.
async fn guarded(client: &SessionsClient) -> Result<SessionGuard, Error> {
    let session = client.create_session().ttl(Duration::from_secs(300)).await?;
    Ok(session.delete_on_drop())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;

    // An error leaves the block early, and the guard deletes the session.
    let failed = async {
        let session = guarded(&client).await?;
        println!("Created {}", session.id());
        session.run_code("").await?; // refused: there is no code
        Ok::<_, Error>(session.detach())
    };
    if let Err(error) = failed.await {
        println!("Failed: {error}");
    }

    // Where it can be awaited, an explicit end says whether it worked.
    let session = guarded(&client).await?;
    let id = session.id();
    session.delete().await?;
    match client.get_session(&id).await {
        Err(error) if error.kind() == ErrorKind::SessionNotFound => println!("Deleted {id}"),
        result => println!("Unexpected: {result:?}"),
    }

    // A session that is to stay is detached. This one is deleted here all the same.
    let session = guarded(&client).await?.detach();
    println!("Detached {}", session.id());
    session.delete().await?;

    // The last act of a program may be a guard's drop: it waits until the session is gone.
    let _session = guarded(&client).await?;
    Ok(())
}

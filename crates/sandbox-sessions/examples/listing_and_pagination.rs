//! List sessions page by page, or all of them.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use sandbox_sessions::{Error, SessionsClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;

    // The first page.
    let page1 = client.list_sessions().limit(10).offset(0).await?;
    println!("Total sessions: {}", page1.total());

    // The second page.
    if page1.total() > 10 {
        let page2 = client.list_sessions().limit(10).offset(10).await?;
        println!("Page 2 has {} sessions", page2.sessions().len());
    }

    // All of them: a stream asks for the pages as it goes, and misses no session when others end meanwhile.
    let mut sessions = client.list_sessions().limit(100).stream();
    let mut count = 0;
    while let Some(session) = sessions.next().await {
        println!("{}", session?);
        count += 1;
    }
    println!("Listed {count} sessions");
    Ok(())
}

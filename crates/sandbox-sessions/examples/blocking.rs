//! The same without `async`: for scripts, tests and threads. Needs the feature `blocking`.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::io::Read;
use std::time::Duration;

use sandbox_sessions::Language;
use sandbox_sessions::blocking::SessionsClient;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = SessionsClient::from_env()?;
    let session = client
        .create_session()
        .ttl(Duration::from_secs(300))
        .send()?
        .delete_on_drop();

    let result = session
        .run_code("echo $((6 * 7))")
        .language(Language::Bash)
        .send()?;
    print!("Answer: {}", result.stdout());

    session.upload_file("greeting.txt", "Hello!").send()?;
    let mut greeting = String::new();
    session
        .download_file("greeting.txt")
        .send()?
        .read_to_string(&mut greeting)?;
    println!("Greeting: {greeting}");

    for session in client.list_sessions().iter() {
        println!("Live: {}", session?);
    }
    session.delete()?;
    Ok(())
}

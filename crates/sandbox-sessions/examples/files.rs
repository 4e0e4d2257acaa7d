//! Move files into a session and out of it, however large they are.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use bytes::Bytes;
use futures_util::stream;
use sandbox_sessions::{Error, FileContent, SessionsClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = SessionsClient::from_env()?;
    let session = client.create_session().await?.delete_on_drop();

    // Bytes and text go in as they are.
    let file = session
        .upload_file("data/in.csv", "name,count\nalice,3\nbob,4\n")
        .await?;
    println!("Uploaded {} ({} bytes)", file.path(), file.size());

    // A stream is sent while it is made; a `tokio::fs::File` would be read while it is sent.
    let lines =
        stream::iter((0..100_000).map(|line| Ok::<_, std::io::Error>(Bytes::from(format!("{line}\n")))));
    session
        .upload_file("data/lines.txt", FileContent::stream(lines))
        .await?;

    // Code in the session works with them.
    let result = session
        .run_command("wc -l < data/lines.txt; sort -r data/in.csv > data/out.csv")
        .await?;
    println!("Lines: {}", result.stdout().trim());

    // A small file fits into memory, up to a limit of one's own.
    let content = session
        .download_file("data/out.csv")
        .await?
        .bytes(1024 * 1024)
        .await?;
    println!("{}", String::from_utf8_lossy(&content));

    // A large one comes piece by piece, or goes to any writer.
    let mut download = session.download_file("data/lines.txt").await?;
    let mut bytes = 0;
    while let Some(piece) = download.chunk().await? {
        bytes += piece.len();
    }
    println!("Read {bytes} bytes");

    // What is there already is not replaced by accident.
    match session.upload_file("data/in.csv", "").await {
        Err(error) if error.error_code() == Some("FILE_EXISTS") => println!("Not replaced"),
        result => println!("Unexpected: {result:?}"),
    }
    session.upload_file("data/in.csv", "").overwrite(true).await?;
    session.delete().await
}

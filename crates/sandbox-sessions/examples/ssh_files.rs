//! Copy files and folders to a session and back, over SFTP.
//!
//! Needs an API: set `SANDBOX_API_URL` and `SANDBOX_API_TOKEN`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use sandbox_sessions::SessionsClient;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = SessionsClient::from_env()?;
    let session = client.create_session().ttl(Duration::from_secs(600)).await?;
    let ssh = session.ssh().await?;

    // A folder of this machine, into the session.
    let local = std::env::temp_dir().join(format!("ssh-files-{}", session.id()));
    std::fs::create_dir_all(local.join("project"))?;
    std::fs::write(local.join("project/numbers.txt"), "3\n1\n2\n")?;
    let done = ssh.upload(local.join("project"), "/workspace/project").await?;
    println!("Uploaded: {} file, {} bytes", done.files, done.bytes);

    // Work on it there.
    ssh.run_command("cd project && sort numbers.txt > sorted.txt")
        .await?;
    for entry in ssh.sftp().await?.read_dir("/workspace/project").await? {
        println!("Listed: {} ({} bytes)", entry.name, entry.metadata.size);
    }

    // One file of it, back.
    ssh.download("/workspace/project/sorted.txt", local.join("sorted.txt"))
        .await?;
    let sorted = std::fs::read_to_string(local.join("sorted.txt"))?;
    println!("Downloaded: {}", sorted.trim().replace('\n', " "));

    // Clean up.
    std::fs::remove_dir_all(&local)?;
    session.delete().await?;
    Ok(())
}

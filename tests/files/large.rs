//! A file that is larger than anybody should keep in memory.

use std::process::ExitCode;

use bytes::Bytes;
use contract_tests::{Player, Process, ServerProcess, Watch, say};
use futures_util::{Stream, stream};
use libtest_mimic::Failed;
use sandbox_sessions::{FileContent, SessionsClient};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

/// As much as a server takes unless it is told otherwise.
const SIZE: u64 = 1 << 30;

const PIECE: usize = 128 << 10;

/// The least that would show that a file was held in memory, and far more than buffers need.
pub(crate) const ALLOWED: u64 = 32 << 20;

/// Transfers in a process of its own, and looks at the memory of both.
pub(crate) fn a_gigabyte(server: &ServerProcess) -> Result<(), Failed> {
    let watch = Watch::start(server.process());
    let mut client = Player::start("client", &[server.url()]);
    let report = client.hear();
    client.finish();
    let extra_of_server = watch.extra();
    let report: Value = serde_json::from_str(&report)?;
    let extra_of_client = report["extra"].as_u64().ok_or("no figure")?;
    eprintln!(
        "extra memory: server {} KiB, client {} KiB; up {} ms, down {} ms",
        extra_of_server >> 10,
        extra_of_client >> 10,
        report["up"],
        report["down"]
    );
    for (who, extra) in [("server", extra_of_server), ("client", extra_of_client)] {
        if extra >= ALLOWED {
            return Err(format!("the {who} used {} KiB more", extra >> 10).into());
        }
    }
    Ok(())
}

/// The other process: fails unless what comes back is what was sent.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    let url = arguments.first().expect("the server's address");
    let report = Runtime::new().expect("a runtime").block_on(there_and_back(url));
    say(&report.to_string());
    ExitCode::SUCCESS
}

async fn there_and_back(url: &str) -> Value {
    let client = SessionsClient::new(url, ServerProcess::TOKEN).expect("the server's own address");
    let session = client.create_session().await.expect("a session");
    let watch = Watch::start(Process(std::process::id()));

    let start = std::time::Instant::now();
    let file = session
        .upload_file("large.bin", FileContent::sized_stream(SIZE, content()))
        .await
        .expect("the file is uploaded");
    assert_eq!(file.size(), SIZE);
    let up = start.elapsed();

    let start = std::time::Instant::now();
    let mut download = session
        .download_file("large.bin")
        .await
        .expect("the file is there");
    assert_eq!(download.length(), Some(SIZE));
    let mut received = Sha256::new();
    while let Some(piece) = download.chunk().await.expect("the file comes whole") {
        received.update(&piece);
    }
    let down = start.elapsed();
    let extra = watch.extra();

    let mut sent = Sha256::new();
    (0..SIZE / PIECE as u64).for_each(|number| sent.update(piece(number)));
    assert_eq!(
        received.finalize(),
        sent.finalize(),
        "what came back is not what was sent"
    );
    session.delete().await.expect("the session is deleted");
    json!({ "extra": extra, "up": up.as_millis() as u64, "down": down.as_millis() as u64 })
}

fn content() -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter((0..SIZE / PIECE as u64).map(|number| Ok(piece(number))))
}

/// No two pieces are equal, so that a lost, doubled or exchanged one shows.
fn piece(number: u64) -> Bytes {
    let mut piece = vec![0x5a; PIECE];
    for page in piece.chunks_mut(4096) {
        page[..8].copy_from_slice(&number.to_le_bytes());
    }
    piece.into()
}

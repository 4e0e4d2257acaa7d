//! What an image costs, beside the host's own programs, in one run.
//!
//! `cargo bench -p contract-tests --bench images` prints medians and ratios. With `-- --check` it fails when a ratio is
//! beyond its bound.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a tap would be measured, too")]

use std::num::NonZero;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use contract_tests::images;
use sandbox_images::Images;
use sandbox_server::{ImageStore, Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::SessionsClient;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ROUNDS: usize = 60;
const IMAGE: &str = "cached:1";
const MOST_TIMES_HOST: f64 = 1.5;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let check = std::env::args().any(|argument| argument == "--check");
    if !images::can_be_made() {
        println!("there is no umoci and no busybox to make images with");
        return ExitCode::from(u8::from(check));
    }
    let runtime = Runtime::new().expect("a runtime");
    let store = store();
    let [host, image] = runtime.block_on(sessions(&store));
    let ratio = image.as_secs_f64() / host.as_secs_f64();
    println!("a session of the host's programs, `true` and its end: {host:.2?}");
    println!("the same of an image that is in the store:            {image:.2?}, {ratio:.2} times");
    let beyond = ratio > MOST_TIMES_HOST;
    if beyond {
        println!("beyond its bound: {ratio:.2} times the host's is more than {MOST_TIMES_HOST}");
    }
    ExitCode::from(u8::from(check && beyond))
}

/// A store with an image as large as usual ones.
fn store() -> TempDir {
    let store = tempfile::tempdir().expect("a directory");
    let layout = images::make(images::python, &[]);
    let name = IMAGE.parse().expect("a name");
    Images::open(store.path(), None)
        .and_then(|images| images.import(layout.path(), &name))
        .expect("an image");
    store
}

/// The medians of both, which take turns.
async fn sessions(store: &TempDir) -> [Duration; 2] {
    let token = Tokens::generate();
    let config = ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir())
        .lifetime(Lifetime::Ephemeral)
        .rate_limit(NonZero::<u32>::MAX)
        .images(ImageStore::new(store.path()));
    let server = Server::start(config).await.expect("a server");
    let client = SessionsClient::new(server.url(), token.secret().expose_secret()).expect("a client");
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (image, times) in ["host", IMAGE].into_iter().zip(&mut times) {
            times.push(session(&client, image).await);
        }
    }
    server.shutdown().await;
    times.map(median)
}

async fn session(client: &SessionsClient, image: &str) -> Duration {
    let start = Instant::now();
    let session = client.create_session().image(image).await.expect("a session");
    let result = session.run_command("true").await.expect("it is run");
    assert!(result.success());
    session.delete().await.expect("it is deleted");
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

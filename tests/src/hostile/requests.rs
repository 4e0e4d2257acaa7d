//! What clients, and whoever pretends to be one, send to the server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_server::Tokens;
use sandbox_sessions::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ends;
use crate::House;

const TOKEN: &str = "hostile-0123456789abcdef";

/// What seeds have in the place of the session's id.
const ID: &[u8] = b"550e8400-e29b-41d4-a716-446655440000";

/// Follows every request on its connection, so that the answer to a whole one does not have to be waited for.
const LAST: &[u8] = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// After this time without an answer the server is told that no more will come: it may wait for what was announced.
const QUIET: Duration = Duration::from_millis(40);

/// A server, and a session in it.
pub(super) struct Hosted {
    house: House,
    pub(super) session: Session,
}

static HOSTED: Mutex<Option<Arc<Hosted>>> = Mutex::new(None);

/// The server, which is started for the first who needs it.
pub(super) fn hosted() -> Arc<Hosted> {
    host().expect("a server")
}

/// Whether there can be a server at all.
///
/// # Errors
/// When the host cannot make sandboxes.
pub fn can_make_sandboxes() -> Result<(), sandbox_server::Error> {
    host().map(drop)
}

fn host() -> Result<Arc<Hosted>, sandbox_server::Error> {
    let mut hosted = HOSTED.lock().expect("a server");
    if let Some(hosted) = &*hosted {
        return Ok(hosted.clone());
    }
    Ok(hosted.insert(Arc::new(Hosted::start()?)).clone())
}

/// Ends the server, if there is one.
pub fn stop() {
    let hosted = HOSTED.lock().expect("a server").take();
    if let Some(hosted) = hosted.and_then(Arc::into_inner) {
        hosted.house.stop();
    }
}

impl Hosted {
    fn start() -> Result<Self, sandbox_server::Error> {
        let tokens = Tokens::from_lines(TOKEN).expect("a token");
        let house = House::start(tokens, |config| {
            // What requests may use up is bounded, so that any number of them can be made.
            config
                .rate_limit(std::num::NonZeroU32::MAX)
                .max_sessions(4)
                .max_upload_bytes(1 << 20)
        })?;
        let session = ends(
            house
                .client(TOKEN)
                .create_session()
                .ttl(Duration::from_secs(28_800))
                .into_future(),
        );
        Ok(Self {
            house,
            session: session.expect("a session"),
        })
    }

    pub(super) fn url(&self) -> &str {
        self.house.url()
    }

    pub(super) fn token(&self) -> &str {
        TOKEN
    }
}

/// A request, or what claims to be one: it is answered with HTTP, and not by a panic.
pub(super) fn http_request(bytes: &[u8]) {
    let hosted = hosted();
    let id = hosted.session.id().to_string();
    let request = replaced(bytes, ID, id.as_bytes());
    let answer = ends(async {
        let mut stream = TcpStream::connect(hosted.house.address())
            .await
            .expect("a connection");
        // Whoever is refused is cut off, perhaps while writing.
        let _ = stream.write_all(&request).await;
        let _ = stream.write_all(LAST).await;
        let mut answer = Vec::new();
        while let Ok(read) = timeout(QUIET, stream.read_buf(&mut answer)).await {
            if read.unwrap_or(0) == 0 {
                return answer;
            }
        }
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut answer).await;
        answer
    });
    let shown = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || shown.starts_with("HTTP/1."),
        "that is no HTTP: {shown:?}"
    );
    // What panics is answered so.
    assert!(!shown.contains("HTTP/1.1 500"), "{shown}");
}

fn replaced(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(what) {
            replaced.extend_from_slice(with);
            rest = after;
        } else {
            replaced.push(*first);
            rest = others;
        }
    }
    replaced
}

//! What puts a header into requests that the SDK cannot be told to send.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A proxy that tells Prism which of its answers is wanted.
pub(crate) struct Preferring {
    address: SocketAddr,
    last_body: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Preferring {
    pub(crate) async fn start(server: SocketAddr, preference: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let last_body = Arc::new(Mutex::new(Vec::new()));
        let bodies = last_body.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // What fails here is seen at the client.
                let _ = forward(client, server, &preference, &bodies).await;
            }
        });
        Self {
            address,
            last_body,
            task,
        }
    }

    /// Prism serves the paths of the document at the root.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The body of the last answer, as it came.
    pub(crate) fn last_body(&self) -> Vec<u8> {
        self.last_body.lock().unwrap().clone()
    }
}

impl Drop for Preferring {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries one request there and its answer back, and keeps the answer's body.
async fn forward(
    mut client: TcpStream,
    server: SocketAddr,
    preference: &str,
    last_body: &Mutex<Vec<u8>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    head.truncate(head.len() - 2);
    // One request for each connection: the next one would need the header, too.
    head.extend_from_slice(format!("Prefer: {preference}\r\nConnection: close\r\n\r\n").as_bytes());
    let mut server = TcpStream::connect(server).await.ok()?;
    server.write_all(&head).await.ok()?;
    let (mut from_server, mut to_server) = server.split();
    let (mut from_client, mut to_client) = client.split();
    let mut answer = Vec::new();
    tokio::select! {
        // It goes on until the client goes, which is after the answer.
        _ = tokio::io::copy(&mut from_client, &mut to_server) => return None,
        read = from_server.read_to_end(&mut answer) => read.ok()?,
    };
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    // Known before the client has the answer, who may ask for it at once.
    *last_body.lock().unwrap() = answer.get(body..)?.to_vec();
    to_client.write_all(&answer).await.ok()
}

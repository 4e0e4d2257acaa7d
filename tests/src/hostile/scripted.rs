use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::runtime;

/// A server that answers every request with the same bytes and closes the connection.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Scripted {
    pub(super) fn start() -> Self {
        let answer = Arc::new(Mutex::new(Vec::new()));
        let answers = answer.clone();
        let listener = runtime()
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer: Vec<u8> = answers.lock().expect("an answer").clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                    // What is not read would reset the connection, and the answer be lost with it.
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                });
            }
        });
        Self { address, answer }
    }

    /// What is answered from now on.
    pub(super) fn answers(&self, bytes: &[u8]) {
        *self.answer.lock().expect("an answer") = bytes.to_vec();
    }
}

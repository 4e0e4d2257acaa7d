//! A proxy that lets every request through and loses answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of an answer. By then the server has done what it was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    /// The connection is closed instead.
    Dropped,
    /// What proxies say when they lose the server.
    BadGateway,
    /// Nothing comes, and the connection stays.
    Silence,
}

/// What the server is given for the name of the header when it is to be one that does not know it.
const UNKNOWN_HEADER: &[u8] = b"idempotency-hey";
const HEADER: &[u8] = b"idempotency-key";

/// Deals with answers as planned, in the order in which they come; those that are not planned for are delivered.
pub(crate) struct LossyProxy {
    address: SocketAddr,
    plan: Arc<Mutex<VecDeque<Fate>>>,
    task: JoinHandle<()>,
}

impl LossyProxy {
    pub(crate) async fn before(server: &str) -> Self {
        Self::start(server, false).await
    }

    /// Before a server that ignores idempotency keys, as older ones do.
    pub(crate) async fn before_one_without_keys(server: &str) -> Self {
        Self::start(server, true).await
    }

    async fn start(server: &str, without_keys: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let plan = Arc::new(Mutex::new(VecDeque::new()));
        let (server, plans) = (server.to_owned(), plan.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server");
                tokio::spawn(pass_on(client, server, plans.clone(), without_keys));
            }
        });
        Self { address, plan, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What becomes of the next answers.
    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        self.plan.lock().unwrap().extend(fates);
    }

    /// Whether all that was planned has happened.
    pub(crate) fn is_done(&self) -> bool {
        self.plan.lock().unwrap().is_empty()
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(client: TcpStream, server: TcpStream, plan: Arc<Mutex<VecDeque<Fate>>>, without_keys: bool) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let requests = async {
        if without_keys {
            hide_keys(&mut from_client, &mut to_server).await;
        } else {
            let _ = copy(&mut from_client, &mut to_server).await;
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers(from_server, to_client, &plan) => {}
    }
}

/// Requests are small and come in one piece each.
async fn hide_keys(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
    let mut request = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut request).await {
        let piece = request.get_mut(..length).expect("it was read");
        let name = piece.windows(HEADER.len()).position(|name| name == HEADER);
        if let Some(name) = name.and_then(|start| piece.get_mut(start..start + HEADER.len())) {
            name.copy_from_slice(UNKNOWN_HEADER);
        }
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}

/// Each answer has come when its first bytes have, and ends the connection unless it is delivered.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, plan: &Mutex<VecDeque<Fate>>) {
    let mut answer = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut answer).await {
        let fate = plan.lock().unwrap().pop_front().unwrap_or(Fate::Delivered);
        match fate {
            Fate::Delivered => {
                let piece = answer.get(..length).expect("it was read");
                if to.write_all(piece).await.is_err() {
                    return;
                }
            }
            Fate::Dropped => return,
            Fate::BadGateway => {
                let page = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";
                let _ = to.write_all(page.as_bytes()).await;
                return;
            }
            Fate::Silence => std::future::pending().await,
        }
    }
}

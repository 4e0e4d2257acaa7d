//! A proxy that does to bytes what networks do to them, as planned.

mod end;
mod writer;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use self::end::end;
pub use self::end::{can_vanish, swallow};
use self::writer::Writer;
use crate::fault::{End, Fault, How, Pieces};

/// How much of what clients have said is remembered.
const HEARD: usize = 1 << 20;

/// A TCP proxy in front of one server. What becomes of the exchanges is planned, in the order in which they begin: for
/// requests and for tunnels apart. Those that nothing is planned for take place undisturbed.
///
/// Dropping it closes all of its connections.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    server: String,
    requests: Plan,
    tunnels: Plan,
    /// A header whose name the server is given otherwise.
    renamed: Option<(&'static [u8], &'static [u8])>,
    heard: Mutex<Vec<u8>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    vanish: Notify,
}

#[derive(Default)]
struct Plan {
    faults: Mutex<VecDeque<Fault>>,
    begun: AtomicUsize,
}

impl Plan {
    fn next(&self) -> Fault {
        self.begun.fetch_add(1, Ordering::SeqCst);
        lock(&self.faults).pop_front().unwrap_or_default()
    }
}

impl FaultProxy {
    /// In front of the server at an address such as `127.0.0.1:40000`.
    pub async fn before(server: &str) -> Self {
        Self::start(Shared {
            server: server.to_owned(),
            ..Shared::default()
        })
        .await
    }

    /// In front of a server that does not know a header, given in lower case, because it gets another one of the same
    /// length.
    pub async fn renaming(server: &str, header: &'static str, other: &'static str) -> Self {
        assert_eq!(header.len(), other.len());
        Self::start(Shared {
            server: server.to_owned(),
            renamed: Some((header.as_bytes(), other.as_bytes())),
            ..Shared::default()
        })
        .await
    }

    async fn start(shared: Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(shared);
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self {
            address,
            shared,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The API's base address by way of it.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What becomes of the next requests.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared.requests.faults).extend(faults);
    }

    /// What becomes of the next tunnels.
    pub fn plan_tunnels(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared.tunnels.faults).extend(faults);
    }

    /// Whether all that was planned has begun.
    pub fn is_done(&self) -> bool {
        let is_empty = |plan: &Plan| lock(&plan.faults).is_empty();
        is_empty(&self.shared.requests) && is_empty(&self.shared.tunnels)
    }

    /// How many requests there have been.
    pub fn requests(&self) -> usize {
        self.shared.requests.begun.load(Ordering::SeqCst)
    }

    /// How many tunnels have been asked for.
    pub fn tunnels(&self) -> usize {
        self.shared.tunnels.begun.load(Ordering::SeqCst)
    }

    /// Has both ends of all connections that there are now vanish, as [`How::Vanish`] says.
    pub fn vanish(&self) {
        self.shared.vanish.notify_waiters();
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// All that clients have said, up to a mebibyte.
    pub fn heard(&self) -> Vec<u8> {
        lock(&self.shared.heard).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Owns the connections: dropping it with this task closes them.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.expect("a connection");
                connections.spawn(serve(client, shared.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    shared.accepted.fetch_add(1, Ordering::SeqCst);
    shared.open.fetch_add(1, Ordering::SeqCst);
    // A server that is gone ends the connection, as a proxy that knows no better does.
    if let Ok(server) = TcpStream::connect(&shared.server).await {
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket");
        }
        connection(client, server, &shared).await;
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

/// One connection, and the exchange that takes place on it now.
struct Connection<'a> {
    shared: &'a Shared,
    exchange: Mutex<Exchange>,
}

struct Exchange {
    fault: Fault,
    is_tunnel: bool,
    /// Whether the server has spoken in it, so that what the client says next begins another one.
    is_answered: bool,
    passed: [u64; 2],
}

/// In which direction bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

type Halves<'a> = (&'a mut OwnedReadHalf, &'a mut OwnedWriteHalf);

async fn connection(client: TcpStream, server: TcpStream, shared: &Shared) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let connection = Connection {
        shared,
        exchange: Mutex::new(Exchange {
            fault: Fault::none(),
            is_tunnel: false,
            is_answered: true,
            passed: [0; 2],
        }),
    };
    let ended = tokio::select! {
        end = connection.both((&mut from_client, &mut to_client), (&mut from_server, &mut to_server)) => end,
        () = shared.vanish.notified() => Some(How::Vanish),
    };
    if let Some(how) = ended {
        let client = from_client.reunite(to_client).expect("its halves");
        let server = from_server.reunite(to_server).expect("its halves");
        end(how, client, server).await;
    }
}

impl Connection<'_> {
    /// Carries both directions, of which each may end before the other.
    async fn both(&self, client: Halves<'_>, server: Halves<'_>) -> Option<How> {
        let up = self.carry(client.0, server.1, Way::ToServer);
        let down = self.carry(server.0, client.1, Way::ToClient);
        tokio::pin!(up, down);
        tokio::select! {
            end = &mut up => if end.is_some() { end } else { down.await },
            end = &mut down => if end.is_some() { end } else { up.await },
        }
    }

    /// Carries bytes in one direction until there are none, or until the plan says otherwise.
    async fn carry(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, way: Way) -> Option<How> {
        let mut buffer = vec![0; 64 << 10];
        let mut writer = Writer::default();
        loop {
            let Ok(length @ 1..) = from.read(&mut buffer).await else {
                let _ = writer.flush(to).await;
                let _ = to.shutdown().await;
                return None;
            };
            let mut piece = buffer.get_mut(..length).expect("it was read");
            if way == Way::ToServer {
                self.rename(piece);
                self.note(piece);
            }
            let (pieces, passes, end) = self.judge(piece, way);
            piece = piece.get_mut(..passes).expect("no more than there is");
            let written = writer.write(piece, pieces, to).await;
            if end.is_some() {
                let _ = writer.flush(to).await;
                return end;
            }
            if written.is_err() {
                return None;
            }
        }
    }

    /// In which pieces these bytes go, how many of them, and what happens then.
    fn judge(&self, piece: &[u8], way: Way) -> (Pieces, usize, Option<How>) {
        let mut exchange = lock(&self.exchange);
        match way {
            Way::ToClient => exchange.is_answered = true,
            Way::ToServer if exchange.is_answered && !exchange.is_tunnel => {
                let is_tunnel = piece.starts_with(b"CONNECT ");
                let plan = if is_tunnel {
                    &self.shared.tunnels
                } else {
                    &self.shared.requests
                };
                *exchange = Exchange {
                    fault: plan.next(),
                    is_tunnel,
                    is_answered: false,
                    passed: [0; 2],
                };
            }
            Way::ToServer => {}
        }
        let Exchange { fault, passed, .. } = &mut *exchange;
        let [up, down] = passed;
        let (course, passed) = match way {
            Way::ToServer => (&fault.to_server, up),
            Way::ToClient => (&fault.to_client, down),
        };
        let left = match &course.end {
            Some(End { after, .. }) => usize::try_from(after - *passed).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        let passes = piece.len().min(left);
        *passed += passes as u64;
        let is_end = passes < piece.len();
        let how = course.end.as_ref().filter(|_| is_end).map(|end| end.how.clone());
        (course.pieces, passes, how)
    }

    /// Requests whose headers are renamed are small and come in one piece each.
    fn rename(&self, piece: &mut [u8]) {
        let Some((header, other)) = self.shared.renamed else {
            return;
        };
        let found = piece.windows(header.len()).position(|name| name == header);
        if let Some(name) = found.and_then(|start| piece.get_mut(start..start + header.len())) {
            name.copy_from_slice(other);
        }
    }

    fn note(&self, piece: &[u8]) {
        let mut heard = lock(&self.shared.heard);
        let room = HEARD - heard.len();
        heard.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}

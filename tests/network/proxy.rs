//! The faults themselves happen: seen by a client and a server that know nothing but bytes.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use contract_tests::fault::{Course, Fault, How, Pieces};
use contract_tests::{FaultProxy, OwnersHouse, can_vanish, trials};
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::scripted::say;

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "proxy":
        carries_what_nothing_is_planned_for,
        closes_after_so_many_bytes,
        resets_after_so_many_bytes,
        stalls_after_so_many_bytes,
        ends_requests_too,
        says_something_else,
        says_something_for_ever,
        goes_byte_by_byte,
        glues_a_banner_to_an_answer,
        makes_pieces_at_random,
        vanishes,
        plans_requests_and_tunnels_apart,
        renames_headers,
    ]
}

/// How long nothing comes where nothing is to come.
const QUIET: Duration = Duration::from_millis(300);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

/// A server that answers each piece that it is sent in the same way, and what it was sent.
struct Server {
    proxy: FaultProxy,
    heard: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Server {
    async fn answering(answer: &'static [&'static [u8]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (tell, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let mut piece = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut piece).await {
                        let _ = tell.send(piece[..length].to_vec());
                        for part in answer {
                            let _ = stream.write_all(part).await;
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                    // How it ended.
                    let _ = tell.send(Vec::new());
                });
            }
        });
        Self {
            proxy: FaultProxy::before(&address).await,
            heard,
        }
    }

    async fn ask(&self, request: &str) -> TcpStream {
        say(&self.proxy.address().to_string(), request).await
    }
}

async fn rest(stream: &mut TcpStream) -> (Vec<u8>, std::io::Result<()>) {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await.map(drop);
    (bytes, read)
}

/// All that comes before there is nothing more for a while; each read is a piece.
async fn pieces(stream: &mut TcpStream) -> Vec<Vec<u8>> {
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(length @ 1..)) = timeout(QUIET, stream.read(&mut piece)).await {
        all.push(piece[..length].to_vec());
    }
    all
}

async fn carries_what_nothing_is_planned_for(_: Arc<OwnersHouse>) {
    let mut server = Server::answering(&[ANSWER]).await;
    let mut stream = server.ask("GET one").await;
    assert_eq!(pieces(&mut stream).await.concat(), ANSWER);
    stream.write_all(b"GET two").await.unwrap();
    assert_eq!(pieces(&mut stream).await.concat(), ANSWER);
    assert_eq!(server.proxy.open(), 1);
    stream.shutdown().await.unwrap();
    let (bytes, end) = rest(&mut stream).await;
    assert!(bytes.is_empty() && end.is_ok());
    for expected in [&b"GET one"[..], b"GET two", b""] {
        assert_eq!(server.heard.recv().await.unwrap(), expected);
    }
    assert_eq!((server.proxy.requests(), server.proxy.tunnels()), (2, 0));
    assert_eq!(server.proxy.heard(), b"GET oneGET two");
}

async fn closes_after_so_many_bytes(_: Arc<OwnersHouse>) {
    let mut server = Server::answering(&[ANSWER]).await;
    server.proxy.plan([Fault::answer(20, How::Close)]);
    let (bytes, end) = rest(&mut server.ask("GET").await).await;
    assert_eq!(bytes, &ANSWER[..20]);
    end.unwrap();
    assert_eq!(server.heard.recv().await.unwrap(), b"GET");
    assert_eq!(server.heard.recv().await.unwrap(), b"");
}

async fn resets_after_so_many_bytes(_: Arc<OwnersHouse>) {
    let server = Server::answering(&[b"the first twenty byt", b"es and more"]).await;
    server.proxy.plan([Fault::answer(20, How::Reset)]);
    let mut stream = server.ask("GET").await;
    let mut bytes = [0; 20];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"the first twenty byt");
    let (more, end) = rest(&mut stream).await;
    assert_eq!(
        (more.len(), end.unwrap_err().kind()),
        (0, ErrorKind::ConnectionReset)
    );
}

async fn stalls_after_so_many_bytes(_: Arc<OwnersHouse>) {
    let mut server = Server::answering(&[ANSWER]).await;
    server.proxy.plan([Fault::answer(20, How::Stall)]);
    let mut stream = server.ask("GET").await;
    assert_eq!(pieces(&mut stream).await.concat(), &ANSWER[..20]);
    assert!(timeout(QUIET, stream.read_u8()).await.is_err());
    assert_eq!(server.heard.recv().await.unwrap(), b"GET");
    assert!(timeout(QUIET, server.heard.recv()).await.is_err(), "it has ended");
    drop(stream);
    assert_eq!(server.heard.recv().await.unwrap(), b"");
}

async fn ends_requests_too(_: Arc<OwnersHouse>) {
    let mut server = Server::answering(&[ANSWER]).await;
    server.proxy.plan([Fault::request(3, How::Close)]);
    let (bytes, end) = rest(&mut server.ask("GET more").await).await;
    assert!(bytes.is_empty() && end.is_ok());
    assert_eq!(server.heard.recv().await.unwrap(), b"GET");
    assert_eq!(server.heard.recv().await.unwrap(), b"");
}

async fn says_something_else(_: Arc<OwnersHouse>) {
    let mut server = Server::answering(&[ANSWER]).await;
    server.proxy.plan([Fault::say("something else")]);
    let (bytes, end) = rest(&mut server.ask("GET").await).await;
    assert_eq!(bytes, b"something else");
    end.unwrap();
    assert_eq!(server.heard.recv().await.unwrap(), b"GET", "the server was asked");
}

async fn says_something_for_ever(_: Arc<OwnersHouse>) {
    let server = Server::answering(&[ANSWER]).await;
    server
        .proxy
        .plan([Fault::answer(0, How::SayForEver(b"first".into(), b"more".into()))]);
    let mut stream = server.ask("GET").await;
    let mut bytes = vec![0; 5 + 4 * 100_000];
    stream.read_exact(&mut bytes).await.unwrap();
    assert!(bytes.starts_with(b"firstmoremore") && bytes.ends_with(b"more"));
}

async fn goes_byte_by_byte(_: Arc<OwnersHouse>) {
    let server = Server::answering(&[ANSWER]).await;
    let answer = Fault {
        to_client: Course {
            pieces: Pieces::Single(20),
            end: None,
        },
        ..Fault::none()
    };
    server.proxy.plan([answer]);
    let pieces = pieces(&mut server.ask("GET").await).await;
    assert_eq!(pieces.concat(), ANSWER);
    // Some may meet on a busy machine.
    assert!(pieces.len() > 5, "{pieces:?}");
}

async fn glues_a_banner_to_an_answer(_: Arc<OwnersHouse>) {
    const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";
    let server = Server::answering(&[ESTABLISHED, b"SSH-2.0-", b"x\r\n", b"more"]).await;
    server
        .proxy
        .plan_tunnels([Fault::none().in_pieces(Pieces::Glued)]);
    let glued = pieces(&mut server.ask("CONNECT x").await).await;
    assert_eq!(glued[0], [ESTABLISHED, b"SSH-2.0-x\r\n"].concat());
    assert_eq!(glued.concat(), [ESTABLISHED, b"SSH-2.0-x\r\nmore"].concat());
    let apart = pieces(&mut server.ask("CONNECT x").await).await;
    assert_eq!(apart[0], ESTABLISHED, "without it they come apart");
}

async fn makes_pieces_at_random(_: Arc<OwnersHouse>) {
    const LARGE: &[u8] = &[b'x'; 200_000];
    let server = Server::answering(&[LARGE]).await;
    server.proxy.plan([Fault::none().in_pieces(Pieces::Random(1))]);
    let pieces = pieces(&mut server.ask("GET").await).await;
    assert_eq!(pieces.concat(), LARGE);
    assert!(pieces.iter().any(|piece| piece.len() % 1000 != 0));
}

/// Even a connection that is closed at one end stays open at the other.
async fn vanishes(_: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    let mut server = Server::answering(&[ANSWER]).await;
    let mut stream = server.ask("GET").await;
    assert_eq!(pieces(&mut stream).await.concat(), ANSWER);
    server.proxy.vanish();
    tokio::time::sleep(QUIET).await;
    stream.write_all(b"GET").await.unwrap();
    assert!(timeout(QUIET, stream.read_u8()).await.is_err());
    drop(stream);
    assert_eq!(server.heard.recv().await.unwrap(), b"GET");
    assert!(
        timeout(QUIET, server.heard.recv()).await.is_err(),
        "it has heard of the end"
    );
}

async fn plans_requests_and_tunnels_apart(_: Arc<OwnersHouse>) {
    let server = Server::answering(&[ANSWER]).await;
    server.proxy.plan([Fault::say("a request")]);
    server.proxy.plan_tunnels([Fault::say("a tunnel")]);
    assert_eq!(rest(&mut server.ask("CONNECT x").await).await.0, b"a tunnel");
    assert!(!server.proxy.is_done());
    assert_eq!(rest(&mut server.ask("GET x").await).await.0, b"a request");
    assert!(server.proxy.is_done());
    assert_eq!((server.proxy.requests(), server.proxy.tunnels()), (1, 1));
}

async fn renames_headers(_: Arc<OwnersHouse>) {
    let mut server = Server::answering(&[ANSWER]).await;
    let address = server.proxy.address().to_string();
    let proxy = FaultProxy::renaming(&address, "x-one", "x-two").await;
    let mut stream = say(&proxy.address().to_string(), "GET\r\nx-one: y\r\n").await;
    assert_eq!(pieces(&mut stream).await.concat(), ANSWER);
    assert_eq!(server.heard.recv().await.unwrap(), b"GET\r\nx-two: y\r\n");
}

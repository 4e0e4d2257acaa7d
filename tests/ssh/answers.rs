//! Answers that arrive in other pieces than they were sent in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::SessionsClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "answers":
        a_banner_may_come_with_the_answer,
        everything_may_come_byte_by_byte,
    ]
}

/// What a proxy makes of what it carries.
#[derive(Clone, Copy)]
enum Pieces {
    /// The answer to a `CONNECT` waits for the first bytes of the tunnel.
    Glued,
    /// The first bytes in each direction go one by one.
    Bytes,
}

/// Many more than an answer to a `CONNECT` and the exchange of versions.
const SINGLE_BYTES: usize = 600;

async fn a_banner_may_come_with_the_answer(house: Arc<House>) {
    works_through(&house, Pieces::Glued).await;
}

async fn everything_may_come_byte_by_byte(house: Arc<House>) {
    works_through(&house, Pieces::Bytes).await;
}

/// All there is of SSH, by way of a proxy that no one is told of.
async fn works_through(house: &House, pieces: Pieces) {
    let session = house.session().await;
    assert!(session.run_command("true").await.unwrap().success());
    let agent = house.agent(&session);
    let url: reqwest::Url = house.client().api_url().to_string().parse().unwrap();
    let server = *url.socket_addrs(|| None).unwrap().first().unwrap();
    let proxy = start(server, pieces).await;
    let client = SessionsClient::new(format!("http://{proxy}/v1"), house.token()).unwrap();
    let session = client.get_session(&session.id()).await.unwrap();
    let ssh = session.ssh().await.unwrap();
    let output = ssh.run_command("cat").stdin(vec![b'x'; 1 << 20]).await.unwrap();
    assert_eq!(output.stdout_bytes(), vec![b'x'; 1 << 20]);
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("up"), "content").unwrap();
    ssh.upload(here.path().join("up"), "there").await.unwrap();
    ssh.download("there", here.path().join("down")).await.unwrap();
    assert_eq!(std::fs::read(here.path().join("down")).unwrap(), b"content");
    // One for commands and one for files.
    agent.assert_bounded(&[1, 1]);
    session.delete().await.unwrap();
}

async fn start(server: SocketAddr, pieces: Pieces) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.unwrap();
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            match pieces {
                Pieces::Glued => {
                    tokio::spawn(carry(from_client, to_server, 0));
                    tokio::spawn(glue(from_server, to_client));
                }
                Pieces::Bytes => {
                    tokio::spawn(carry(from_client, to_server, SINGLE_BYTES));
                    tokio::spawn(carry(from_server, to_client, SINGLE_BYTES));
                }
            }
        }
    });
    address
}

/// Passes on all there is; so many bytes of it one by one.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut single: usize) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let (bytes, rest) = buffer[..read].split_at(single.min(read));
        single -= bytes.len();
        for byte in bytes {
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        if to.write_all(rest).await.is_err() {
            return;
        }
    }
}

/// Keeps the answer to a `CONNECT` until it can be sent in one piece with a banner.
async fn glue(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n";
    let mut kept = Vec::new();
    while from.read_buf(&mut kept).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&kept);
        if !kept.starts_with(ESTABLISHED)
            || text
                .split_once("\r\n\r\n")
                .is_some_and(|(_, rest)| rest.contains('\n'))
        {
            break;
        }
    }
    if to.write_all(&kept).await.is_ok() {
        carry(from, to, 0).await;
    }
}

//! Ports of a session on this machine.

use std::sync::Arc;

use libtest_mimic::Trial;
use sandbox_sessions::ssh::ExecEvent;
use sandbox_sessions::{ErrorKind, SessionSshClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, trials};

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "ports":
        a_port_of_the_session_is_reached,
        connections_do_not_wait_for_each_other,
        nobody_listening_closes_the_connection,
        a_dropped_forward_listens_no_more,
    ]
}

/// Answers with what it was sent, upper case, when the sender has ended.
const SHOUTER: &str = r#"
import socket, sys, threading
listener = socket.create_server(('127.0.0.1', 0), backlog=64)
print(listener.getsockname()[1], flush=True)
def serve(connection):
    data = b''
    while piece := connection.recv(65536): data += piece
    connection.sendall(data.upper()); connection.close()
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"#;

/// The port that the program says it listens on. The program lives as long as what is returned with it.
async fn shouter(ssh: &SessionSshClient) -> (u16, sandbox_sessions::ssh::SshProcess) {
    let mut process = ssh
        .exec(format!("python3 -c \"{}\"", SHOUTER.replace('"', "\\\"")))
        .await
        .unwrap();
    let Some(ExecEvent::Stdout(line)) = process.output.next().await.unwrap() else {
        panic!("it says nothing");
    };
    (String::from_utf8_lossy(&line).trim().parse().unwrap(), process)
}

async fn a_port_of_the_session_is_reached(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let (port, _process) = shouter(&ssh).await;
    let forward = ssh.forward_local(port).await.unwrap();
    assert!(forward.local_address().ip().is_loopback());
    let sent = b"hello ".repeat(200_000);
    let mut stream = TcpStream::connect(forward.local_address()).await.unwrap();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert!(heard == sent.to_ascii_uppercase(), "{} bytes", heard.len());
    session.delete().await.unwrap();
}

async fn connections_do_not_wait_for_each_other(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let (port, _process) = shouter(&ssh).await;
    let forward = ssh.forward_local(port).await.unwrap();
    // Open, silent and unread.
    let _idle = TcpStream::connect(forward.local_address()).await.unwrap();
    let asking: Vec<_> = (0..10)
        .map(|n| {
            let address = forward.local_address();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(format!("number {n}").as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut heard = String::new();
                stream.read_to_string(&mut heard).await.unwrap();
                heard
            })
        })
        .collect();
    for (n, asking) in asking.into_iter().enumerate() {
        assert_eq!(asking.await.unwrap(), format!("NUMBER {n}"));
    }
    session.delete().await.unwrap();
}

async fn nobody_listening_closes_the_connection(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let forward = ssh.forward_local(1).await.unwrap();
    let mut stream = TcpStream::connect(forward.local_address()).await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let taken = ssh
        .forward_local(1)
        .listen(forward.local_address())
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Operation);
    session.delete().await.unwrap();
}

async fn a_dropped_forward_listens_no_more(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let forward = ssh.forward_local(1).await.unwrap();
    let address = forward.local_address();
    drop(forward);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    session.delete().await.unwrap();
}

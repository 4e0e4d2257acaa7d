//! Ports of a session on this machine.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ssh::{ExecEvent, Signal, SshProcess};
use sandbox_sessions::{ErrorKind, SessionSshClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "ports":
        a_port_of_the_session_is_reached,
        connections_do_not_wait_for_each_other,
        stuck_connections_hold_back_no_other,
        half_a_connection_is_ended_at_either_end,
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
async fn shouter(ssh: &SessionSshClient) -> (u16, SshProcess) {
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

/// The program's port.
async fn listening(ssh: &SessionSshClient, serve: &str) -> (u16, SshProcess) {
    let program = format!(
        "import socket, sys, threading, time, os\n\
         listener = socket.create_server(('127.0.0.1', 0), backlog=64)\n\
         print(listener.getsockname()[1], flush=True)\n{serve}"
    );
    let mut process = ssh
        .exec(format!("python3 -c '{}'", program.replace('\'', "'\\''")))
        .await
        .unwrap();
    let Some(ExecEvent::Stdout(line)) = process.output.next().await.unwrap() else {
        panic!("it says nothing");
    };
    (String::from_utf8_lossy(&line).trim().parse().unwrap(), process)
}

/// Writes until nothing is taken any more.
async fn stuff(stream: &mut TcpStream) {
    let piece = vec![0; 1 << 20];
    while let Ok(written) = timeout(Duration::from_millis(500), stream.write(&piece)).await {
        written.unwrap();
    }
}

/// The program takes connections and reads none of them.
async fn stuck_connections_hold_back_no_other(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let (deaf, mut process) = listening(&ssh, "kept = []\nwhile True: kept.append(listener.accept())").await;
    let (port, _process) = shouter(&ssh).await;
    let deaf = ssh.forward_local(deaf).await.unwrap();
    let forward = ssh.forward_local(port).await.unwrap();
    let ask = async || {
        let mut stream = TcpStream::connect(forward.local_address()).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "HELLO");
    };
    let mut stuck = TcpStream::connect(deaf.local_address()).await.unwrap();
    stuff(&mut stuck).await;
    ask().await;
    // Those that are given up here end, and leave their places to others: more of them than there are places.
    for _ in 0..40 {
        let mut stream = TcpStream::connect(deaf.local_address()).await.unwrap();
        stream.write_all(&vec![0; 4 << 20]).await.unwrap();
        // What nobody has read is lost, which tells the other side.
        stream.set_zero_linger().unwrap();
    }
    ask().await;
    let mut after = TcpStream::connect(deaf.local_address()).await.unwrap();
    after.write_all(b"x").await.unwrap();
    // The program's end is seen by those that wait for it to read.
    process.input.signal(Signal::Kill).await.unwrap();
    while process.output.next().await.unwrap().is_some() {}
    let _ = stuck.read_to_end(&mut Vec::new()).await;
    let _ = after.read_to_end(&mut Vec::new()).await;
    session.delete().await.unwrap();
}

async fn half_a_connection_is_ended_at_either_end(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    // Says that it is done before it reads.
    let serve = "c, _ = listener.accept()\nc.sendall(b'welcome')\nc.shutdown(socket.SHUT_WR)\ndata = b''\n\
        while piece := c.recv(65536): data += piece\nprint(len(data), flush=True)";
    let (port, mut process) = listening(&ssh, serve).await;
    let forward = ssh.forward_local(port).await.unwrap();
    let mut stream = TcpStream::connect(forward.local_address()).await.unwrap();
    let mut welcome = String::new();
    stream.read_to_string(&mut welcome).await.unwrap();
    assert_eq!(welcome, "welcome");
    stream.write_all(&vec![1; 3_000_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let Some(ExecEvent::Stdout(line)) = process.output.next().await.unwrap() else {
        panic!("it says nothing");
    };
    assert_eq!(&line[..], b"3000000\n");
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

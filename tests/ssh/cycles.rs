//! Opening and closing, over and over.

use std::process::ExitCode;
use std::sync::Arc;

use contract_tests::{Agent, Player, ServerProcess, say, trials, wait_for_nod};
use futures_util::{StreamExt, stream};
use libtest_mimic::Trial;
use sandbox_sessions::{Session, SessionsClient};
use sandbox_tunnel::{ExecEvent, ExecRequest, SshClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::house::{House, connect};
use crate::server;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "cycles":
        ten_thousand_channels_leave_nothing,
        ten_thousand_tunnels_leave_nothing,
    ]
}

/// Pages that allocators keep or have not used yet, and what is on its way out. Less than 300 bytes for each cycle.
const SLACK: u64 = 3 << 20;

/// Descriptors of what is being closed.
const CLOSING: u64 = 20;

async fn ten_thousand_channels_leave_nothing(_: Arc<House>) {
    cycles("channels").await;
}

async fn ten_thousand_tunnels_leave_nothing(_: Arc<House>) {
    cycles("tunnels").await;
}

/// Compares what client, server and agent, each a process of its own, take before and after.
async fn cycles(kind: &'static str) {
    let server = server::start();
    let session = server.client().create_session().await.unwrap();
    assert!(session.run_command("true").await.unwrap().success());
    let agent = Agent::of(server.state(), session.id());
    let id = session.id().to_string();
    let compared = tokio::task::spawn_blocking(move || {
        let mut client = Player::start("cycles", &[server.url(), &id, kind]);
        let mut taken = || {
            assert_eq!(client.hear(), "turned");
            let processes = [&client.process(), &server.process(), &agent.process];
            let taken = processes.map(|process| (process.descriptors(), process.memory("RssAnon")));
            client.nod();
            taken
        };
        let (before, after) = (taken(), taken());
        for ((who, before), after) in ["client", "server", "agent"].into_iter().zip(before).zip(after) {
            assert!(
                after.0 <= before.0 + CLOSING && after.1 <= before.1 + SLACK,
                "the {who} had {before:?} descriptors and bytes, and has {after:?}"
            );
        }
        client.finish();
        match kind {
            // That of the listener is on another connection.
            "channels" => agent.assert_bounded(&[AT_ONCE, 1]),
            _ => agent.assert_bounded(&[1; AT_ONCE]),
        }
        server
    });
    let server = compared.await.unwrap();
    session.delete().await.unwrap();
    server.stop();
}

/// The role of a client.
pub(crate) fn turn(arguments: &[&str]) -> ExitCode {
    let &[url, id, kind] = arguments else {
        panic!("{arguments:?}");
    };
    let client = SessionsClient::new(url, ServerProcess::TOKEN).unwrap();
    Runtime::new().unwrap().block_on(async {
        let session = client.get_session(&id.parse().unwrap()).await.unwrap();
        match kind {
            "channels" => channels(&session).await,
            "tunnels" => tunnels(&session).await,
            other => panic!("{other}"),
        }
    });
    ExitCode::SUCCESS
}

const LISTENER: &str = r#"
import socket
listener = socket.create_server(('127.0.0.1', 0), backlog=256)
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(connection.recv(1)); connection.close()
"#;

async fn channels(session: &Session) {
    let own = connect(session).await;
    let listener = own.exec(ExecRequest::command(format!("python3 -c \"{LISTENER}\"")));
    let mut listener = listener.await.unwrap();
    let Some(ExecEvent::Stdout(port)) = listener.output.next().await else {
        panic!("it says nothing");
    };
    let port = String::from_utf8_lossy(&port).trim().parse().unwrap();
    for connections in [2, 5] {
        for _ in 0..connections {
            let client = connect(session).await;
            open_channels(&client, port).await;
        }
        turned().await;
    }
}

/// As many as the server and the SDK open on a connection before they make another one, for the protocol library
/// remembers each of them until the connection ends.
const CHANNELS: usize = 2000;

async fn open_channels(client: &SshClient, port: u16) {
    side_by_side(CHANNELS, |n| {
        let client = client.clone();
        async move {
            if n % 20 == 0 {
                client.run(ExecRequest::command(":")).await.unwrap();
                return;
            }
            let mut channel = client.connect_tcp("127.0.0.1", port).await.unwrap();
            channel.write_all(b"x").await.unwrap();
            let mut back = Vec::new();
            channel.read_to_end(&mut back).await.unwrap();
            assert_eq!(back, b"x");
        }
    })
    .await;
}

async fn tunnels(session: &Session) {
    for count in [1000, 10_000] {
        open_tunnels(session, count).await;
        turned().await;
    }
}

async fn open_tunnels(session: &Session, count: usize) {
    side_by_side(count, |n| {
        let session = session.clone();
        async move {
            if n % 50 == 0 {
                connect(&session)
                    .await
                    .run(ExecRequest::command(":"))
                    .await
                    .unwrap();
                return;
            }
            let mut tunnel = session.ssh().open_tunnel().await.unwrap();
            tunnel.write_all(b"SSH-2.0-x\r\n").await.unwrap();
            let mut banner = [0; 8];
            tunnel.read_exact(&mut banner).await.unwrap();
            assert_eq!(&banner, b"SSH-2.0-");
        }
    })
    .await;
}

/// Cycles that are under way at the same time.
const AT_ONCE: usize = 8;

/// So many times, a few at the same time.
async fn side_by_side<F: Future<Output = ()>>(count: usize, cycle: impl Fn(usize) -> F) {
    stream::iter(0..count)
        .map(cycle)
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
}

async fn turned() {
    let waiting = tokio::task::spawn_blocking(|| {
        say("turned");
        wait_for_nod()
    });
    assert!(waiting.await.unwrap());
}

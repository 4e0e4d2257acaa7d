//! Forwarded ports.

use libtest_mimic::Trial;
use russh::{
    Channel, ChannelOpenFailure,
    client::{self, Handle, Msg},
    keys::PublicKeyOrCertificate,
};
use sandbox_tunnel::transport::WriteBehind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{TestAgent, noise, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_forwarded_port_carries_both_directions", echo),
        trial("only_loopback_is_forwarded", elsewhere),
        trial("a_closed_port_is_reported", closed_port),
    ]
}

/// Takes any host key: what is tested here begins after the login.
pub(crate) struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

pub(crate) async fn connect(agent: &TestAgent) -> Handle<Trusting> {
    let stream = WriteBehind::new(agent.stream().await);
    let mut handle = client::connect_stream(Default::default(), stream, Trusting)
        .await
        .unwrap();
    assert!(handle.authenticate_none("sandbox").await.unwrap().success());
    handle
}

async fn open(handle: &Handle<Trusting>, host: &str, port: u32) -> Result<Channel<Msg>, ChannelOpenFailure> {
    match handle.channel_open_direct_tcpip(host, port, "127.0.0.1", 1).await {
        Ok(channel) => Ok(channel),
        Err(russh::Error::ChannelOpenFailure(reason)) => Err(reason),
        Err(other) => panic!("{other}"),
    }
}

async fn echo() {
    let agent = TestAgent::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().into();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    });
    let handle = connect(&agent).await;
    let (mut reader, mut writer) =
        tokio::io::split(open(&handle, "localhost", port).await.unwrap().into_stream());
    let sent = noise(8 << 20);
    let bytes = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.unwrap();
    writing.await.unwrap();
    assert!(
        received == sent,
        "{} of {} bytes came back, or others",
        received.len(),
        sent.len()
    );
}

async fn elsewhere() {
    let agent = TestAgent::start();
    let handle = connect(&agent).await;
    for host in ["169.254.169.254", "0.0.0.0", "example.org"] {
        let refused = open(&handle, host, 80).await.unwrap_err();
        assert_eq!(refused, ChannelOpenFailure::AdministrativelyProhibited, "{host}");
    }
}

async fn closed_port() {
    let agent = TestAgent::start();
    let handle = connect(&agent).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().into();
    drop(listener);
    assert_eq!(
        open(&handle, "127.0.0.1", port).await.unwrap_err(),
        ChannelOpenFailure::ConnectFailed
    );
}

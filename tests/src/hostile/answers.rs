//! What servers, and whoever stands before them, send to the client.

use std::sync::OnceLock;

use sandbox_sessions::{RetryPolicy, SessionsClient};
use sandbox_tunnel::{Auth, HostKey, SshClient, SshConfig, Tunnel, TunnelConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::ends;
use super::scripted::Scripted;
use crate::calls::{OPERATIONS, call, client_that};

/// How long an error is at most when it is shown.
const SHOWN: usize = 8192;

/// The first byte says which operation is asked for; the rest is the answer, status line and all.
pub(super) fn http_answer(bytes: &[u8]) {
    static SERVER: OnceLock<(Scripted, SessionsClient)> = OnceLock::new();
    let Some((choice, answer)) = bytes.split_first() else {
        return;
    };
    let (server, client) = SERVER.get_or_init(|| {
        let server = Scripted::start();
        let client = client_that(RetryPolicy::none(), &format!("http://{}/v1", server.address));
        (server, client)
    });
    server.answers(answer);
    let operation = OPERATIONS[usize::from(*choice) % OPERATIONS.len()];
    if let Err(error) = ends(call(client, operation)) {
        let shown = error.to_string();
        assert!(
            shown.len() < SHOWN,
            "{operation}: an error of {} bytes",
            shown.len()
        );
        assert!(!shown.contains(char::is_control), "{operation}: {shown:?}");
    }
}

/// The answer to a `CONNECT`: what is read through the tunnel, if there is one, is the end of it.
pub(super) fn connect_answer(bytes: &[u8]) {
    static SERVER: OnceLock<Scripted> = OnceLock::new();
    let server = SERVER.get_or_init(Scripted::start);
    server.answers(bytes);
    let url = format!("http://{}/v1/sessions/some", server.address);
    let config = TunnelConfig::new(&url, "hostile-token").expect("a configuration");
    let through = ends(async {
        let mut tunnel = Tunnel::open(&config).await.ok()?;
        tunnel.shutdown().await.ok()?;
        let mut through = Vec::new();
        tunnel.read_to_end(&mut through).await.ok()?;
        Some(through)
    });
    if let Some(through) = through {
        assert!(bytes.ends_with(&through), "{through:?} was not sent");
    }
}

/// What claims to be an SSH server, from its banner on.
pub(super) fn ssh_server(bytes: &[u8]) {
    let config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
    let connected = ends(async {
        let (mut server, client) = duplex(1 << 20);
        let (connected, ()) = tokio::join!(SshClient::connect(client, &config), async {
            let _ = server.write_all(bytes).await;
            let _ = server.shutdown().await;
            let _ = tokio::io::copy(&mut server, &mut tokio::io::sink()).await;
        });
        connected
    });
    // Nobody can have made the signature that an answer to this key exchange needs.
    assert!(connected.is_err(), "a key exchange was made up");
}

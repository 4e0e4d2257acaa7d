//! The other end is switched off, or out of reach: it neither says nor acknowledges anything any more.
//!
//! What its kernel receives is dropped before it is looked at ([`swallow`](contract_tests::swallow)), which takes nothing of
//! the host, and on some hosts root.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contract_tests::{FaultProxy, OwnersHouse, ServerProcess, can_vanish, serve, swallow, trials};
use libtest_mimic::Trial;
use sandbox_sessions::{ErrorKind, Session};
use sandbox_tunnel::{Auth, HostKey, SshClient, SshConfig};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::scripted::{address, connect_request, direct_client, read_head, say};

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "half_open":
        the_server_frees_idle_connections,
        the_server_frees_connections_that_take_nothing,
        the_server_ends_what_was_asked_for,
        the_server_frees_tunnels,
        a_server_that_never_asks_is_noticed,
        a_client_frees_its_ssh_connection,
        a_client_frees_its_bare_tunnel,
        clients_that_never_ask_are_noticed,
    ]
}

/// How long the ends that ask may be silent, and the time after which both have noticed for certain.
const SILENCE: Duration = Duration::from_secs(1);
const NOTICED: Duration = Duration::from_secs(40);

/// Longer than an end that asks takes (three questions, a second each).
const NOT_NOTICED: Duration = Duration::from_secs(8);

const CLIENTS: usize = 10;

/// The roles: servers that ask soon, and ones that do not.
pub(crate) fn serve_asking(arguments: &[&str]) -> ExitCode {
    serve(arguments, |config| config.keepalive(SILENCE))
}

pub(crate) fn serve_without_asking(arguments: &[&str]) -> ExitCode {
    serve(arguments, |config| config.keepalive(Duration::from_secs(3600)))
}

/// A server in a process of its own, with a session.
struct Setting {
    server: ServerProcess,
    session: Session,
}

impl Setting {
    async fn of(role: &'static str) -> Self {
        let started = tokio::task::spawn_blocking(move || ServerProcess::start(role));
        let server = started.await.unwrap().unwrap();
        let session = direct_client(&server).create_session().await.unwrap();
        Self { server, session }
    }

    /// Clients that have asked for something.
    async fn asking(&self, request: &str) -> Vec<TcpStream> {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(say(&address(self.server.direct_url()), request).await);
        }
        clients
    }

    /// Clients that have been answered.
    async fn clients(&self, request: &str) -> Vec<TcpStream> {
        let mut clients = self.asking(request).await;
        for client in &mut clients {
            let head = read_head(client).await;
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        }
        assert_eq!(self.connections_of(&clients), clients.len());
        clients
    }

    /// Clients with tunnels, at whose ends they are logged in, or the agent would not wait for long.
    async fn logged_in(&self) -> (Vec<TcpStream>, Vec<SshClient>) {
        let request = connect_request(self.session.id(), ServerProcess::TOKEN);
        let mut config = SshConfig::new("sandbox", Auth::None, HostKey::AcceptAny);
        config.keepalive = None;
        let (mut clients, mut logins) = (Vec::new(), Vec::new());
        for client in self.clients(&request).await {
            let client = client.into_std().unwrap();
            clients.push(TcpStream::from_std(client.try_clone().unwrap()).unwrap());
            let tunnel = TcpStream::from_std(client).unwrap();
            logins.push(SshClient::connect(tunnel, &config).await.unwrap());
        }
        (clients, logins)
    }

    /// How many of these clients the server still has a connection to, as the kernel sees it.
    fn connections_of(&self, clients: &[TcpStream]) -> usize {
        let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
        let here = address(self.server.direct_url())
            .rsplit_once(':')
            .unwrap()
            .1
            .parse()
            .ok();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let remote_ports: HashSet<u16> = table
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let [_, local, remote, _, _, _, _, _, _, inode, ..] = fields[..] else {
                    return None;
                };
                // A connection that no process has any more has none.
                port(remote).filter(|_| port(local) == here && inode != "0")
            })
            .collect();
        let is_open = |client: &&TcpStream| remote_ports.contains(&client.local_addr().unwrap().port());
        clients.iter().filter(is_open).count()
    }

    /// Whether the server gives up all of these clients.
    async fn frees(&self, clients: &[TcpStream], within: Duration) -> bool {
        let freed = async {
            while self.connections_of(clients) > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(within, freed).await.is_ok()
    }

    async fn stop(self) {
        // What was not touched by it works.
        let output = self.session.run_command("echo hello").await.unwrap();
        assert_eq!(output.stdout(), "hello\n");
        tokio::task::spawn_blocking(|| self.server.stop()).await.unwrap();
    }
}

fn get(path: &str) -> String {
    format!(
        "GET /v1{path} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {}\r\n\r\n",
        ServerProcess::TOKEN
    )
}

async fn the_server_frees_idle_connections(_: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    let setting = Setting::of("asking").await;
    let clients = setting.clients(&get("/sessions")).await;
    clients.iter().for_each(swallow);
    assert!(setting.frees(&clients, NOTICED).await);
    setting.stop().await;
}

/// Clients that are there, acknowledge what fits into their kernel, and then are gone; no question is asked of them
/// because they were sent something.
async fn the_server_frees_connections_that_take_nothing(_: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    let setting = Setting::of("asking").await;
    let content = vec![7; 32 << 20];
    setting.session.upload_file("large", content).await.unwrap();
    let path = format!("/sessions/{}/files?filePath=large", setting.session.id());
    let clients = setting.clients(&get(&path)).await;
    clients.iter().for_each(swallow);
    assert!(setting.frees(&clients, NOTICED).await);
    setting.stop().await;
}

/// The programs that were started for clients that are gone end with them.
async fn the_server_ends_what_was_asked_for(_: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    const SLEEP: &str = "{\"command\": \"exec sleep 123456\", \"timeout\": 300}";
    let setting = Setting::of("asking").await;
    let request = format!(
        "POST /v1/sessions/{}/commands HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{SLEEP}",
        setting.session.id(),
        ServerProcess::TOKEN,
        SLEEP.len()
    );
    let sleeping = async || {
        let look = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 12345[6]' | wc -l";
        let looked = setting.session.run_command(look).await.unwrap();
        looked.stdout().trim().parse::<usize>().unwrap()
    };
    let clients = setting.asking(&request).await;
    while sleeping().await < CLIENTS {
        sleep(Duration::from_millis(50)).await;
    }
    clients.iter().for_each(swallow);
    assert!(setting.frees(&clients, NOTICED).await);
    let ended = async {
        while sleeping().await > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(NOTICED, ended).await.expect("they end");
    setting.stop().await;
}

async fn the_server_frees_tunnels(_: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    let setting = Setting::of("asking").await;
    let (clients, _logins) = setting.logged_in().await;
    clients.iter().for_each(swallow);
    assert!(setting.frees(&clients, NOTICED).await);
    setting.stop().await;
}

/// What frees the connections above is that the server asks.
async fn a_server_that_never_asks_is_noticed(_: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    let setting = Setting::of("not-asking").await;
    let requests = setting.clients(&get("/sessions")).await;
    let (tunnels, _logins) = setting.logged_in().await;
    requests.iter().chain(&tunnels).for_each(swallow);
    assert!(!setting.frees(&requests, NOT_NOTICED).await);
    assert_eq!(setting.connections_of(&requests), CLIENTS);
    assert_eq!(setting.connections_of(&tunnels), CLIENTS);
    setting.stop().await;
}

/// Waits, after the other end is gone, for the output of a program.
async fn ssh_ends(house: &OwnersHouse, keepalive: Option<Duration>, within: Duration) -> bool {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let proxy = FaultProxy::before(&house.address()).await;
    let client = owner.client_at(proxy.url()).build().unwrap();
    let ssh = client.ssh(&session.id()).keepalive(keepalive).await.unwrap();
    let mut waiting = ssh.exec("sleep 1000").await.unwrap().output;
    proxy.vanish();
    let ended = match timeout(within, waiting.next()).await {
        Ok(event) => {
            assert_eq!(event.unwrap_err().kind(), ErrorKind::Connection);
            // And a new connection is made where one can be.
            let output = ssh.run_command("echo hello").await.unwrap();
            assert_eq!(output.stdout(), "hello\n");
            true
        }
        Err(_) => false,
    };
    session.delete().await.unwrap();
    ended
}

async fn tunnel_ends(house: &OwnersHouse, keepalive: Option<Duration>, within: Duration) -> bool {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let proxy = FaultProxy::before(&house.address()).await;
    let client = owner.client_at(proxy.url()).build().unwrap();
    let mut tunnel = client
        .ssh(&session.id())
        .keepalive(keepalive)
        .open_tunnel()
        .await
        .unwrap();
    let mut banner = [0; 8];
    tunnel.read_exact(&mut banner).await.unwrap();
    proxy.vanish();
    let rest = timeout(within, tunnel.read_to_end(&mut Vec::new())).await;
    let ended = rest.is_ok_and(|read| read.is_err());
    session.delete().await.unwrap();
    ended
}

async fn a_client_frees_its_ssh_connection(house: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    assert!(ssh_ends(&house, Some(SILENCE), NOTICED).await);
}

async fn a_client_frees_its_bare_tunnel(house: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    assert!(tunnel_ends(&house, Some(SILENCE), NOTICED).await);
}

/// What ends the waiting above is that the client asks.
async fn clients_that_never_ask_are_noticed(house: Arc<OwnersHouse>) {
    if !can_vanish() {
        return;
    }
    let (ssh, tunnel) = tokio::join!(
        ssh_ends(&house, None, NOT_NOTICED),
        tunnel_ends(&house, None, NOT_NOTICED)
    );
    assert!(!ssh && !tunnel);
}

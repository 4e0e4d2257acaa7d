//! What faults leave behind: nothing, neither at the server nor at the client.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::{FaultProxy, OwnersHouse, Process, ServerProcess, trials};
use libtest_mimic::Trial;
use sandbox_sessions::{RetryPolicy, SessionsClient};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::scripted::{address, direct_client};
use crate::verdict::{Case, Outcome, PATIENCE};
use crate::{rest, tunnel};

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "remains": of_faults_are_none, of_a_client_that_stays_are_noticed]
}

/// Far more than closing takes, and less than idle times.
const SOON: Duration = Duration::from_secs(40);

/// A server of which each descriptor is one of this trial's. It asks soon whether its clients are still there: from one
/// that has vanished, not even the end has to arrive.
async fn server() -> (ServerProcess, SessionsClient) {
    let started = tokio::task::spawn_blocking(|| ServerProcess::start("asking"));
    let server = started.await.unwrap().unwrap();
    let client = direct_client(&server);
    (server, client)
}

/// Whether the process has no more descriptors than before, in time.
async fn gives_back(process: Process, before: u64, within: Duration) -> bool {
    let given = async {
        while process.descriptors() > before {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(within, given).await.is_ok()
}

async fn of_faults_are_none(_: Arc<OwnersHouse>) {
    let (server, client) = server().await;
    let session = rest::session(&client).await;
    let host_key = session.ssh_host_key().unwrap();
    assert_eq!(
        tunnel::run(&client, session.id(), host_key).await.unwrap(),
        tunnel::RIGHT
    );
    // Its own connection for commands, which it closes when it is idle, and opens for nothing of what follows.
    sleep(Duration::from_secs(13)).await;
    let before = server.process().descriptors();
    let here = address(server.direct_url());
    let (mut is_tunnel, mut met) = (false, 0);
    for cases in [rest::CASES, tunnel::CASES] {
        for case in cases {
            let Case { name, fault, .. } = case;
            met += 1;
            if !case.is_possible() {
                continue;
            }
            let proxy = FaultProxy::before(&here).await;
            let client = SessionsClient::builder()
                .url(proxy.url())
                .token(ServerProcess::TOKEN)
                .timeout(PATIENCE)
                .retries(RetryPolicy::none())
                .build()
                .unwrap();
            if is_tunnel {
                proxy.plan_tunnels([fault()]);
                Outcome::of(tunnel::run(&client, session.id(), host_key)).await;
            } else {
                proxy.plan([fault()]);
                Outcome::of(rest::read(&client, session.id())).await;
            }
            assert!(proxy.is_done(), "{name}");
            // The client has let go of its connections when the proxy has none; those that vanished it cannot hear of.
            drop(client);
            if !name.starts_with("half_open") {
                let closed = async {
                    while proxy.open() > 0 {
                        sleep(Duration::from_millis(10)).await;
                    }
                };
                timeout(SOON, closed)
                    .await
                    .unwrap_or_else(|_| panic!("{name}: the client stays"));
            }
            drop(proxy);
            assert!(
                gives_back(server.process(), before, SOON).await,
                "{name}: the server stays"
            );
        }
        is_tunnel = true;
    }
    assert_eq!(met, rest::CASES.len() + tunnel::CASES.len());
    assert_eq!(client.list_sessions().await.unwrap().sessions().len(), 1);
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
}

/// The count above would show it.
async fn of_a_client_that_stays_are_noticed(_: Arc<OwnersHouse>) {
    let (server, client) = server().await;
    client.list_sessions().await.unwrap();
    let before = server.process().descriptors();
    let stays = TcpStream::connect(address(server.direct_url())).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    assert!(!gives_back(server.process(), before, Duration::from_secs(3)).await);
    drop(stays);
    assert!(gives_back(server.process(), before, SOON).await);
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
}

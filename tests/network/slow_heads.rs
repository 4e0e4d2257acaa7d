//! Clients that never finish the head of their request, so as to keep a place.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::{OwnersHouse, trials};
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::scripted::{OwnServer, TOKEN, connect_request, say};

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "slow_heads":
        of_requests_are_given_up,
        of_tunnels_are_given_up,
        are_noticed_where_they_are_not_given_up,
    ]
}

/// How long a head may take here.
const HEAD_TIME: Duration = Duration::from_secs(2);

/// Long after that.
const LONG: Duration = Duration::from_secs(30);

/// As many as keep another server's places.
const CLIENTS: usize = 50;

async fn of_requests_are_given_up(_: Arc<OwnersHouse>) {
    are_given_up("GET /v1/sessions HTTP/1.1\r\nHost: sandbox\r\n").await;
}

async fn of_tunnels_are_given_up(_: Arc<OwnersHouse>) {
    let request = connect_request("00000000-0000-4000-8000-000000000000", TOKEN);
    are_given_up(request.trim_end_matches("\r\n")).await;
}

async fn are_given_up(beginning: &str) {
    let server = OwnServer::start(|config| config.head_time(HEAD_TIME)).await;
    let client = server.client();
    let session = client.create_session().await.unwrap();
    let mut dripping = drip(&server, beginning, LONG);
    let mut served = 0;
    while let Some(ended) = dripping
        .try_join_next()
        .map_or(Some(None), |ended| Some(Some(ended)))
    {
        match ended {
            Some(ended) => assert!(
                ended.unwrap(),
                "the server keeps a client that never asks for anything"
            ),
            None if dripping.is_empty() => break,
            None => {
                // Meanwhile others are served.
                let output = session.run_command("echo hello").await.unwrap();
                assert_eq!(output.stdout(), "hello\n");
                served += 1;
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    assert!(served > 3, "{served}");
    server.stop().await;
}

/// The check of the trials above depends on the server's giving up.
async fn are_noticed_where_they_are_not_given_up(_: Arc<OwnersHouse>) {
    let server = OwnServer::start(|config| config.head_time(Duration::from_secs(3600))).await;
    let mut dripping = drip(
        &server,
        "GET /v1/sessions HTTP/1.1\r\nHost: sandbox\r\n",
        2 * HEAD_TIME,
    );
    while let Some(given_up) = dripping.join_next().await {
        assert!(!given_up.unwrap());
    }
    server.stop().await;
}

/// Clients that send a header now and then, none of which is the last. Each says whether the server closed its
/// connection before some time was over.
fn drip(server: &OwnServer, beginning: &str, patience: Duration) -> JoinSet<bool> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (address, beginning) = (server.address(), beginning.to_owned());
        clients.spawn(async move {
            let mut stream = say(&address, &beginning).await;
            let (mut from_server, mut to_server) = stream.split();
            let dripping = async {
                // Fewer than the headers that a request may have: none of these is refused for their number.
                for number in 0..40 {
                    sleep(Duration::from_millis(200)).await;
                    let _ = to_server.write_all(format!("X-{number}: y\r\n").as_bytes()).await;
                }
                std::future::pending::<()>().await;
            };
            let closed = async { while let Ok(1..) = from_server.read(&mut [0; 1024]).await {} };
            let either = async {
                tokio::select! {
                    () = dripping => {}
                    () = closed => {}
                }
            };
            timeout(patience, either).await.is_ok()
        });
    }
    clients
}

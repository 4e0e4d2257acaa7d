//! Sessions, and servers, that end under what is going on.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use contract_tests::{OwnersHouse, Player, ServerProcess, trials};
use libtest_mimic::Trial;
use sandbox_sessions::{ErrorKind, RetryPolicy, Session, SessionsClient};
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;
use tokio::time::timeout;

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "endings":
        of_an_expired_session_are_told,
        of_a_deleted_session_are_told,
        that_do_not_come_are_noticed,
        of_a_killed_server_leave_no_part_of_a_file,
    ]
}

/// The shortest life that the API gives, and some time to be ended in.
const SHORTEST: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(90);

/// A program over SSH, a bare tunnel and a command over REST end with their session, and nothing new begins. Whether it
/// came to that in time.
async fn all_ends(session: &Session, within: Duration) -> bool {
    let host_key = session.ssh_host_key().unwrap();
    let ssh = session.ssh().await.unwrap();
    let mut waiting = ssh.exec("sleep 1000").await.unwrap().output;
    let mut tunnel = session.ssh().open_tunnel().await.unwrap();
    let running = session.run_command("sleep 200").timeout(Duration::from_secs(250));
    let end = async {
        let (waited, read, ran) = tokio::join!(
            waiting.next(),
            async { tunnel.read_to_end(&mut Vec::new()).await },
            running.into_future()
        );
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::Connection);
        let _ = read;
        assert_eq!(ran.unwrap().exit_code(), None);
    };
    if timeout(within, end).await.is_err() {
        return false;
    }
    let gone = async {
        while session.client().get_session(&session.id()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // What runs in it ends a moment before it is gone.
    timeout(SOON, gone).await.expect("it goes");
    let begun = [
        session.run_command("true").await.map(drop),
        session.ssh().host_key(host_key).await.map(drop),
        ssh.run_command("true").await.map(drop),
    ];
    let kinds = begun.map(|begun| begun.unwrap_err().kind());
    assert_eq!(kinds, [ErrorKind::SessionNotFound; 3]);
    true
}

async fn of_an_expired_session_are_told(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = owner.client.create_session().ttl(SHORTEST).await.unwrap();
    assert!(all_ends(&session, SOON).await);
    assert!(owner.sessions().await.is_empty());
}

async fn of_a_deleted_session_are_told(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let deleting = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        session.delete().await.unwrap();
    };
    let (ended, ()) = tokio::join!(all_ends(&session, SOON), deleting);
    assert!(ended);
    assert!(owner.sessions().await.is_empty());
}

/// What ends above ends with the session.
async fn that_do_not_come_are_noticed(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    assert!(!all_ends(&session, Duration::from_secs(3)).await);
    session.delete().await.unwrap();
}

async fn persistent(state: &str) -> (Player, SessionsClient) {
    let state = state.to_owned();
    let started = tokio::task::spawn_blocking(move || {
        let mut player = Player::start("persistent", &[&state, "1024"]);
        let said = player.hear();
        (player, said)
    });
    let (player, said) = started.await.unwrap();
    let client = SessionsClient::builder()
        .url(said.strip_prefix("url ").expect("it starts"))
        .token(ServerProcess::TOKEN)
        .retries(RetryPolicy::none());
    (player, client.build().unwrap())
}

/// In the middle of an upload over SFTP; the next server has the session, and the upload goes on there.
async fn of_a_killed_server_leave_no_part_of_a_file(_: Arc<OwnersHouse>) {
    const SIZE: usize = 64 << 20;
    let state = tempfile::tempdir().unwrap();
    let path = state.path().to_str().unwrap();
    let (server, client) = persistent(path).await;
    let session = client.create_session().await.unwrap();
    let ssh = session.ssh().await.unwrap();
    let source = state.path().join("source");
    let content: Vec<u8> = (0..SIZE).map(|at| (at ^ (at >> 9)) as u8).collect();
    fs::write(&source, &content).unwrap();
    let under_way = Arc::new(Notify::new());
    let told = under_way.clone();
    let upload = ssh
        .upload(&source, "target")
        .resume(true)
        .progress(move |progress| {
            if progress.bytes > SIZE as u64 / 4 {
                told.notify_one();
            }
        });
    let upload = tokio::spawn(upload.into_future());
    under_way.notified().await;
    tokio::task::spawn_blocking(|| server.kill()).await.unwrap();
    let error = timeout(Duration::from_secs(60), upload).await.expect("an end");
    let error = error.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    assert_eq!(
        client.get_session(&session.id()).await.unwrap_err().kind(),
        ErrorKind::Connection
    );

    let (server, client) = persistent(path).await;
    let session = client.get_session(&session.id()).await.unwrap();
    let there = session.run_command("test -e target; echo $?").await.unwrap();
    assert_eq!(there.stdout(), "1\n", "a part of the file is under its name");
    let ssh = session.ssh().await.unwrap();
    let went_on = ssh.upload(&source, "target").resume(true).await.unwrap();
    assert!(went_on.bytes > 0);
    let back = state.path().join("back");
    ssh.download("target", &back).await.unwrap();
    assert!(fs::read(back).unwrap() == content);
    drop(ssh);
    session.delete().await.unwrap();
    tokio::task::spawn_blocking(|| server.finish()).await.unwrap();
}

//! Who is let in, and whom clients trust.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ssh::Phase;
use sandbox_sessions::{Error, ErrorKind, SessionId, SessionSshClient, SessionsClient};
use sandbox_tunnel::{PrivateKey, keys};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "login":
        a_client_and_an_id_are_enough,
        a_registered_key_is_asked_for,
        keys_that_cannot_be_used_are_refused_at_once,
        another_host_key_is_noticed,
        a_file_of_known_hosts_decides,
        new_host_keys_are_learned_where_that_is_asked_for,
        an_own_http_client_carries_no_ssh,
        refusals_of_the_api_are_told,
        a_server_that_says_nothing_is_given_up,
        a_tunnel_is_usable_without_ssh,
    ]
}

fn pem(key: &PrivateKey) -> String {
    key.to_openssh(Default::default()).unwrap().to_string()
}

async fn hello(ssh: &SessionSshClient) {
    assert_eq!(ssh.run_command("echo hello").await.unwrap().stdout(), "hello\n");
}

#[track_caller]
fn assert_failed(result: Result<SessionSshClient, Error>, kind: ErrorKind, phase: Option<Phase>) -> Error {
    let error = result.expect_err("it must not connect");
    assert_eq!((error.kind(), error.ssh_phase()), (kind, phase), "{error:?}");
    error
}

async fn a_client_and_an_id_are_enough(house: Arc<House>) {
    let session = house.session().await;
    let ssh = SessionSshClient::builder(house.client(), &session.id())
        .user("sandbox")
        .await
        .unwrap();
    assert_eq!(ssh.session_id(), session.id());
    hello(&ssh).await;
    // A password that nobody asks for is none to refuse for: the server lets everybody in who has the token, but with
    // no password it knows.
    let refused = session.ssh().password("hunter2").await;
    let error = assert_failed(refused, ErrorKind::Unauthorized, Some(Phase::Authentication));
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_failed(
        session.ssh().user("root").await,
        ErrorKind::Unauthorized,
        Some(Phase::Authentication),
    );
    session.delete().await.unwrap();
}

async fn a_registered_key_is_asked_for(house: Arc<House>) {
    let (key, other) = (keys::generate().unwrap(), keys::generate().unwrap());
    let public = key.public_key().to_openssh().unwrap();
    let session = house
        .client()
        .create_session()
        .ssh_public_key(public)
        .await
        .unwrap();
    hello(&session.ssh().private_key(pem(&key)).await.unwrap()).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("id");
    std::fs::write(&file, pem(&key)).unwrap();
    hello(&session.ssh().private_key_file(&file).await.unwrap()).await;
    let phase = Some(Phase::Authentication);
    assert_failed(session.ssh().await, ErrorKind::Unauthorized, phase);
    assert_failed(
        session.ssh().private_key(pem(&other)).await,
        ErrorKind::Unauthorized,
        phase,
    );
    session.delete().await.unwrap();
}

async fn keys_that_cannot_be_used_are_refused_at_once(house: Arc<House>) {
    // Of a session that is not there: nobody was asked.
    let id: SessionId = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    let ssh = || house.client().ssh(&id).danger_accept_any_host_key();
    let error = assert_failed(
        ssh().private_key("hunter2").await,
        ErrorKind::InvalidArgument,
        None,
    );
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_failed(
        ssh().private_key_file("/nowhere/id").await,
        ErrorKind::InvalidArgument,
        None,
    );
    let host_key = house.client().ssh(&id).host_key("ssh-ed25519 nonsense");
    assert_failed(host_key.await, ErrorKind::InvalidArgument, None);
}

async fn another_host_key_is_noticed(house: Arc<House>) {
    let session = house.session().await;
    let other = keys::generate().unwrap().public_key().to_openssh().unwrap();
    let refused = session.ssh().host_key(other).await;
    assert_failed(refused, ErrorKind::Connection, Some(Phase::KeyExchange));
    hello(
        &session
            .ssh()
            .host_key(session.ssh_host_key().unwrap())
            .await
            .unwrap(),
    )
    .await;
    hello(&session.ssh().danger_accept_any_host_key().await.unwrap()).await;
    session.delete().await.unwrap();
}

#[track_caller]
fn assert_refused(result: Result<SessionSshClient, Error>, code: Option<&str>) {
    let error = result.expect_err("it must not connect");
    assert_eq!(error.error_code(), code, "{error:?}");
    assert_eq!(error.ssh_phase(), Some(Phase::KeyExchange));
    // Trying again would change nothing.
    assert_eq!((error.attempts(), error.is_retryable()), (1, false), "{error:?}");
}

async fn a_file_of_known_hosts_decides(house: Arc<House>) {
    let session = house.session().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    let connect = || session.ssh().known_hosts(&file).into_future();
    let key = session.ssh_host_key().unwrap().to_owned();
    let other = keys::generate().unwrap().public_key().to_openssh().unwrap();
    let unknown = Some("HOST_KEY_UNKNOWN");
    assert_refused(connect().await, unknown);
    assert!(!file.exists());
    std::fs::write(&file, format!("elsewhere {key}\nnonsense\n")).unwrap();
    assert_refused(connect().await, unknown);
    std::fs::write(&file, format!("# of a test\nelsewhere,{} {key}\n", session.id())).unwrap();
    hello(&connect().await.unwrap()).await;
    std::fs::write(&file, format!("{} {other}\n", session.id())).unwrap();
    assert_refused(connect().await, Some("HOST_KEY_MISMATCH"));
    std::fs::write(&file, format!("{} {key}\n@revoked * {key}\n", session.id())).unwrap();
    assert_refused(connect().await, Some("HOST_KEY_MISMATCH"));
    // As `ssh-keygen -H` leaves it.
    std::fs::write(&file, format!("{} {key}\n", session.id())).unwrap();
    let hashed = std::process::Command::new("ssh-keygen")
        .arg("-H")
        .arg("-f")
        .arg(&file)
        .output();
    if hashed.is_ok_and(|output| output.status.success()) {
        assert!(std::fs::read_to_string(&file).unwrap().starts_with("|1|"));
        hello(&connect().await.unwrap()).await;
    } else {
        println!("skipped: no ssh-keygen that hashes names");
    }
    // What cannot be read is not taken for empty.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let error = session.ssh().known_hosts_accept_new(&file).await.unwrap_err();
    assert!(error.to_string().contains("known_hosts"), "{error}");
    session.delete().await.unwrap();
}

async fn new_host_keys_are_learned_where_that_is_asked_for(house: Arc<House>) {
    let (session, second) = (house.session().await, house.session().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/known_hosts");
    hello(&session.ssh().known_hosts_accept_new(&file).await.unwrap()).await;
    // A last line that somebody has not ended.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.trim_end()).unwrap();
    hello(&second.ssh().known_hosts_accept_new(&file).await.unwrap()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let line = |session: &sandbox_sessions::Session| {
        let key: Vec<_> = session.ssh_host_key().unwrap().split(' ').take(2).collect();
        format!("{} {}\n", session.id(), key.join(" "))
    };
    assert_eq!(text, line(&session) + &line(&second));
    // They count from now on, and are not written again.
    hello(&session.ssh().known_hosts(&file).await.unwrap()).await;
    hello(&session.ssh().known_hosts_accept_new(&file).await.unwrap()).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let swapped = text
        .replace(&session.id().to_string(), "x")
        .replace(&second.id().to_string(), &session.id().to_string());
    std::fs::write(&file, &swapped).unwrap();
    assert_refused(
        session.ssh().known_hosts_accept_new(&file).await,
        Some("HOST_KEY_MISMATCH"),
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), swapped);
    for session in [session, second] {
        session.delete().await.unwrap();
    }
}

async fn an_own_http_client_carries_no_ssh(house: Arc<House>) {
    let session = house.session().await;
    let client = SessionsClient::builder()
        .url(house.client().api_url())
        .token(house.token())
        .http_client(reqwest::Client::new())
        .build()
        .unwrap();
    let error = assert_failed(client.ssh(&session.id()).await, ErrorKind::InvalidArgument, None);
    assert!(error.to_string().contains("http_client"), "{error}");
    assert!(client.ssh(&session.id()).open_tunnel().await.is_err());
    session.delete().await.unwrap();
}

async fn refusals_of_the_api_are_told(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let stranger = SessionsClient::new(house.client().api_url(), "a-token-of-nobody-0123456789").unwrap();
    let refused = stranger.ssh(&session.id()).danger_accept_any_host_key().await;
    let error = assert_failed(refused, ErrorKind::Unauthorized, Some(Phase::HttpConnect));
    assert_eq!(
        (error.status_code(), error.error_code()),
        (Some(401), Some("UNAUTHORIZED"))
    );
    assert!(error.request_id().is_some());
    session.delete().await.unwrap();
    let error = assert_failed(
        session.ssh().await,
        ErrorKind::SessionNotFound,
        Some(Phase::HttpConnect),
    );
    assert_eq!(error.status_code(), Some(404));
    assert_failed(
        house.client().ssh(&session.id()).await,
        ErrorKind::SessionNotFound,
        None,
    );
    let error = ssh.run_command("true").await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::SessionNotFound | ErrorKind::Connection),
        "{error:?}"
    );
}

async fn a_server_that_says_nothing_is_given_up(_: Arc<House>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let client = SessionsClient::new(url, "t").unwrap();
    let id: SessionId = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    let ssh = client
        .ssh(&id)
        .danger_accept_any_host_key()
        .connect_timeout(Duration::from_millis(300));
    assert_failed(ssh.await, ErrorKind::Timeout, None);
}

async fn a_tunnel_is_usable_without_ssh(house: Arc<House>) {
    let session = house.session().await;
    let mut tunnel = session.ssh().open_tunnel().await.unwrap();
    tunnel.write_all(b"SSH-2.0-by-hand\r\n").await.unwrap();
    let mut banner = [0; 16];
    tunnel.read_exact(&mut banner).await.unwrap();
    assert_eq!(&banner, b"SSH-2.0-sandbox_");
    session.delete().await.unwrap();
}

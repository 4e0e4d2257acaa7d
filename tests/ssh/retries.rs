//! Connecting is tried again, as other safe operations are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract_tests::fault::Fault;
use contract_tests::{FaultProxy, trials};
use libtest_mimic::Trial;
use sandbox_sessions::{ErrorKind, RetryPolicy, SessionsClient};

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "retries":
        what_is_refused_for_a_time_is_asked_again,
        a_login_that_is_cut_off_is_made_again,
        attempts_are_bounded,
        what_no_attempt_changes_is_asked_once,
        threads_have_ssh_too,
    ]
}

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
const SLOWLY: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
const CONNECTED: &str = "HTTP/1.1 200 Connection Established\r\n\r\nSSH-2.0-short\r\n";

/// In front of the house: answers the first CONNECTs itself, and then no more.
async fn front(house: &House, answers: &[&str]) -> (SessionsClient, FaultProxy) {
    let proxy = FaultProxy::before(&house.address()).await;
    proxy.plan_tunnels(answers.iter().map(|answer| Fault::say(*answer)));
    (SessionsClient::new(proxy.url(), house.token()).unwrap(), proxy)
}

async fn what_is_refused_for_a_time_is_asked_again(house: Arc<House>) {
    let session = house.session().await;
    let (client, proxy) = front(&house, &[BUSY, SLOWLY]).await;
    let start = Instant::now();
    let ssh = client.ssh(&session.id()).await.unwrap();
    assert_eq!(ssh.run_command("echo hello").await.unwrap().stdout(), "hello\n");
    assert_eq!(proxy.tunnels(), 3);
    // Each said how long to stay away.
    assert!(start.elapsed() >= Duration::from_secs(2));
    let (client, proxy) = front(&house, &[BUSY]).await;
    client.ssh(&session.id()).open_tunnel().await.unwrap();
    assert_eq!(proxy.tunnels(), 2);
    session.delete().await.unwrap();
}

async fn a_login_that_is_cut_off_is_made_again(house: Arc<House>) {
    let session = house.session().await;
    let (client, proxy) = front(&house, &[CONNECTED, "", CONNECTED]).await;
    let ssh = client.ssh(&session.id()).await.unwrap();
    assert_eq!(ssh.run_command("echo hello").await.unwrap().stdout(), "hello\n");
    assert_eq!(proxy.tunnels(), 4);
    session.delete().await.unwrap();
}

async fn attempts_are_bounded(house: Arc<House>) {
    let session = house.session().await;
    let (client, proxy) = front(&house, &[""; 100]).await;
    let error = client.ssh(&session.id()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Connection, 4),
        "{error:?}"
    );
    assert_eq!(proxy.tunnels(), 4);
    let once = SessionsClient::builder()
        .url(client.api_url())
        .token(house.token())
        .retries(RetryPolicy::none())
        .build()
        .unwrap();
    assert_eq!(once.ssh(&session.id()).await.unwrap_err().attempts(), 1);
    assert_eq!(proxy.tunnels(), 5);
    session.delete().await.unwrap();
}

async fn what_no_attempt_changes_is_asked_once(house: Arc<House>) {
    let session = house.session().await;
    let (client, proxy) = front(&house, &[]).await;
    let other = sandbox_tunnel::keys::generate()
        .unwrap()
        .public_key()
        .to_openssh()
        .unwrap();
    let error = client.ssh(&session.id()).host_key(other).await.unwrap_err();
    assert_eq!(
        (error.error_code(), error.attempts()),
        (Some("HOST_KEY_MISMATCH"), 1)
    );
    let refused = client.ssh(&session.id()).password("wrong").await.unwrap_err();
    assert_eq!((refused.kind(), refused.attempts()), (ErrorKind::Unauthorized, 1));
    assert_eq!(proxy.tunnels(), 2);
    session.delete().await.unwrap();
}

/// The client without `async`.
async fn threads_have_ssh_too(house: Arc<House>) {
    let (url, token) = (house.client().api_url().to_owned(), house.token().to_owned());
    let blocking = move || {
        use sandbox_sessions::blocking::SessionsClient;
        let session = SessionsClient::new(url, token)
            .unwrap()
            .create_session()
            .send()
            .unwrap();
        let ssh = session
            .ssh()
            .connect_timeout(Duration::from_secs(30))
            .send()
            .unwrap();
        assert_eq!(ssh.session_id(), session.id());
        let output = ssh
            .run_command("tr a-z A-Z; exit $CODE")
            .stdin("hello")
            .env("CODE", "3")
            .send()
            .unwrap();
        assert_eq!((&*output.stdout(), output.exit_code()), ("HELLO", Some(3)));
        let here = tempfile::tempdir().unwrap();
        let (up, down) = (here.path().join("up"), here.path().join("down"));
        std::fs::write(&up, "content").unwrap();
        assert_eq!(ssh.upload(&up, "there").send().unwrap().bytes, 7);
        ssh.download("there", &down).resume(true).send().unwrap();
        assert_eq!(std::fs::read(&down).unwrap(), b"content");
        let forward = ssh.forward_local(1).send().unwrap();
        assert!(std::net::TcpStream::connect(forward.local_address()).is_ok());
        drop((forward, ssh));
        let again = session.client().ssh(&session.id()).user("nobody").send();
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Unauthorized);
        session.delete().send().unwrap();
    };
    tokio::task::spawn_blocking(blocking).await.unwrap();
}

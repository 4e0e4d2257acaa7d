//! No retry does twice what was asked for once, before a server that has done it and whose answer is lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contract_tests::fault::{Fault, How};
use contract_tests::{FaultProxy, Owner, OwnersHouse, trials};
use futures_util::future::join_all;
use libtest_mimic::Trial;
use sandbox_sessions::{ErrorKind, RetryPolicy, SessionsClient};

/// What becomes of an answer. By then the server has done what it was asked to do.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// The connection is closed instead.
    Dropped,
    /// What proxies say when they lose the server.
    BadGateway,
    /// Nothing comes, and the connection stays.
    Silence,
}
use Loss::{BadGateway, Dropped, Silence};

impl From<Loss> for Fault {
    fn from(loss: Loss) -> Self {
        match loss {
            Dropped => Self::answer(0, How::Close),
            BadGateway => {
                Self::say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
            }
            Silence => Self::answer(0, How::Stall),
        }
    }
}

/// All that leave the client in doubt.
const LOSSES: [Loss; 3] = [Dropped, BadGateway, Silence];

/// How long a client waits for a silent server, and so how long a trial with one takes at least; a server that is not
/// silent has far more than it needs.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "lost_answers":
        a_create_with_a_key_makes_one_session,
        a_create_makes_one_session_once_the_server_has_shown_that_it_knows_keys,
        a_create_is_not_repeated_before_that,
        a_server_that_does_not_know_keys_makes_no_second_session,
        without_its_keys_this_server_would_make_two,
        many_creates_at_once_make_one_session_each,
        a_repeated_deletion_succeeds,
        code_is_run_once,
    ]
}

async fn setting(house: &OwnersHouse) -> (Owner, FaultProxy, SessionsClient) {
    let owner = house.owner();
    let proxy = FaultProxy::before(&house.address()).await;
    let client = through(&owner, &proxy);
    (owner, proxy, client)
}

/// Before a server that ignores idempotency keys, as older ones do.
async fn without_keys(house: &OwnersHouse) -> FaultProxy {
    FaultProxy::renaming(&house.address(), "idempotency-key", "idempotency-hey").await
}

fn through(owner: &Owner, proxy: &FaultProxy) -> SessionsClient {
    owner
        .client_at(proxy.url())
        .timeout(PATIENCE)
        .build()
        .expect("a client")
}

async fn a_create_with_a_key_makes_one_session(house: Arc<OwnersHouse>) {
    let (owner, proxy, client) = setting(&house).await;
    for loss in LOSSES {
        proxy.plan([loss.into()]);
        let key = format!("{loss:?}");
        let session = client
            .create_session()
            .idempotency_key(key)
            .await
            .expect("a session");
        assert!(proxy.is_done(), "{loss:?}");
        let sessions = owner.sessions().await;
        assert_eq!(sessions.len(), 1, "{loss:?}");
        assert_eq!(
            sessions.first().map(|one| one.id()),
            Some(session.id()),
            "{loss:?}"
        );
        owner.delete_all().await;
    }
}

async fn a_create_makes_one_session_once_the_server_has_shown_that_it_knows_keys(house: Arc<OwnersHouse>) {
    let (owner, proxy, client) = setting(&house).await;
    let first = client.create_session().await.expect("a session");
    first.delete().await.expect("it is deleted");
    for loss in LOSSES {
        proxy.plan([loss.into()]);
        let session = client.create_session().await.expect("a session");
        assert!(proxy.is_done(), "{loss:?}");
        let sessions = owner.sessions().await;
        assert_eq!(sessions.len(), 1, "{loss:?}");
        assert_eq!(
            sessions.first().map(|one| one.id()),
            Some(session.id()),
            "{loss:?}"
        );
        owner.delete_all().await;
    }
}

async fn a_create_is_not_repeated_before_that(house: Arc<OwnersHouse>) {
    for loss in LOSSES {
        let (owner, proxy, client) = setting(&house).await;
        proxy.plan([loss.into()]);
        let error = client.create_session().await.expect_err("the answer is lost");
        assert_eq!(error.attempts(), 1, "{loss:?}");
        assert_eq!(
            owner.sessions().await.len(),
            1,
            "{loss:?}: the server had done it"
        );
        owner.delete_all().await;
    }
}

async fn a_server_that_does_not_know_keys_makes_no_second_session(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let proxy = without_keys(&house).await;
    let client = through(&owner, &proxy);
    client.create_session().await.expect("a session");
    for (made_before, loss) in LOSSES.into_iter().enumerate() {
        proxy.plan([loss.into()]);
        let error = client.create_session().await.expect_err("the answer is lost");
        assert_eq!(error.attempts(), 1, "{loss:?}");
        assert_eq!(owner.sessions().await.len(), 1 + made_before + 1, "{loss:?}");
    }
    owner.delete_all().await;
}

/// That the trials above can fail: a key of the caller's is trusted, and here the server never sees it.
async fn without_its_keys_this_server_would_make_two(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let proxy = without_keys(&house).await;
    proxy.plan([Dropped.into()]);
    let create = through(&owner, &proxy)
        .create_session()
        .idempotency_key("ignored");
    create.await.expect("a session");
    assert_eq!(owner.sessions().await.len(), 2);
    owner.delete_all().await;
}

async fn many_creates_at_once_make_one_session_each(house: Arc<OwnersHouse>) {
    const CREATES: usize = 30;
    let owner = house.owner();
    let proxy = FaultProxy::before(&house.address()).await;
    // Whichever request is hit again and again gives up late.
    let policy = RetryPolicy::default()
        .max_attempts(40)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(50));
    let client = owner
        .client_at(proxy.url())
        .retries(policy)
        .build()
        .expect("a client");
    client
        .create_session()
        .await
        .expect("a session")
        .delete()
        .await
        .expect("it is deleted");
    // Every other answer is lost, in one way or the other.
    let fates = [Dropped.into(), Fault::none(), BadGateway.into(), Fault::none()];
    proxy.plan(fates.into_iter().cycle().take(CREATES));
    let created = join_all((0..CREATES).map(|_| client.create_session().into_future())).await;
    let created: HashSet<_> = created
        .into_iter()
        .map(|session| session.expect("a session").id())
        .collect();
    assert!(proxy.is_done());
    let alive: HashSet<_> = owner
        .sessions()
        .await
        .iter()
        .map(|session| session.id())
        .collect();
    assert_eq!(created.len(), CREATES);
    assert_eq!(alive, created);
    owner.delete_all().await;
}

async fn a_repeated_deletion_succeeds(house: Arc<OwnersHouse>) {
    let (owner, proxy, client) = setting(&house).await;
    for loss in LOSSES {
        let session = client.create_session().await.expect("a session");
        proxy.plan([loss.into()]);
        session.delete().await.expect("it is deleted");
        assert!(proxy.is_done(), "{loss:?}");
        assert!(owner.sessions().await.is_empty(), "{loss:?}");
        let error = session.delete().await.expect_err("it is gone");
        assert_eq!(error.kind(), ErrorKind::SessionNotFound, "{loss:?}");
    }
}

async fn code_is_run_once(house: Arc<OwnersHouse>) {
    let (owner, proxy, client) = setting(&house).await;
    let session = client.create_session().await.expect("a session");
    proxy.plan([Dropped.into()]);
    let error = session
        .run_command("echo once >> runs")
        .await
        .expect_err("the answer is lost");
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connection, 1));
    let runs = session.run_command("cat runs").await.expect("it runs");
    assert_eq!(runs.stdout(), "once\n");
    owner.delete_all().await;
}

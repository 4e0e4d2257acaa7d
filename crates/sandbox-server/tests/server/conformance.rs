//! What every backend must do, whatever its sandboxes are made of.
//!
//! A backend takes part by implementing [`Place`]; each function here is one test.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use futures_util::{StreamExt, future};
use sandbox_server::backend::{
    Backend, Created, Destroyed, ErrorKind, Event, Fingerprint, Image, Owner, Page, Patch, Query, Removal,
    SessionId, Spec, State,
};
use sandbox_tunnel::{Exec, ExecEvent, ExecRequest};
use tokio::time::{Instant, sleep, timeout};

use crate::ssh::{DEADLINE, connect, eventually, run};

/// Where a backend keeps its sandboxes, seen from outside the backend.
#[async_trait]
pub(crate) trait Place: Send + Sync + 'static {
    /// A server's view of the place. Dropping it and opening another is a restart.
    async fn open(&self) -> Arc<dyn Backend>;

    /// Whether the sandbox of a session runs, whatever any server thinks.
    async fn is_running(&self, id: SessionId) -> bool;

    /// Makes the session unreachable without ending it.
    async fn obstruct(&self, id: SessionId);

    /// Ends the session's sandbox behind the backend's back.
    async fn kill(&self, id: SessionId);

    /// Whatever is there of any session: processes, files, cgroups.
    async fn remains(&self) -> Vec<String>;
}

type Opened = Arc<dyn Backend>;

pub(crate) fn spec() -> Spec {
    Spec {
        owner: Owner::new("alice"),
        image: Image {
            name: "python:3.11".into(),
            reference: "host".into(),
        },
        ttl: Duration::from_secs(600),
        metadata: serde_json::Map::from_iter([("a".to_owned(), serde_json::json!({"b": [1, null, "ü"]}))]),
        ssh_public_key: None,
        request: Some(Fingerprint::from_digest([7; 16])),
    }
}

fn lasting(ttl: Duration) -> Spec {
    Spec { ttl, ..spec() }
}

async fn create(backend: &Opened) -> SessionId {
    create_from(backend, &spec()).await
}

async fn create_from(backend: &Opened, spec: &Spec) -> SessionId {
    let id = SessionId::random();
    match backend.create(id, spec).await.expect("a session") {
        Created::New(record) => assert_eq!(record.id, id),
        Created::Existing(_) => panic!("nobody made it before"),
    }
    id
}

async fn clean(place: &dyn Place, backend: &Opened) {
    for record in backend
        .list(&Query::default(), Page::ALL)
        .await
        .expect("a list")
        .records
    {
        backend.destroy(record.id, None).await.expect("the session ends");
    }
    eventually("nothing is left", || async { place.remains().await.is_empty() }).await;
}

async fn kind_of<T>(result: impl Future<Output = sandbox_server::backend::Result<T>>) -> ErrorKind {
    match result.await {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.kind(),
    }
}

pub(crate) async fn a_session_is_what_was_asked_for(place: &dyn Place) {
    let backend = place.open().await;
    let before = Utc::now();
    let id = create(&backend).await;
    let record = backend.get(id).await.unwrap().expect("the session");
    assert_eq!((&record.owner, &record.image), (&spec().owner, &spec().image));
    assert_eq!(
        (&record.metadata, record.state),
        (&spec().metadata, State::Running)
    );
    assert_eq!(record.request, spec().request);
    assert_eq!(record.expires_at - record.created_at, TimeDelta::seconds(600));
    assert!(record.created_at >= before - TimeDelta::milliseconds(1) && record.created_at <= Utc::now());
    assert!(record.ssh_host_key.starts_with("ssh-ed25519 "));

    let said = run(
        &*backend,
        id,
        "id -u; id -g; pwd; echo x > /workspace/file && cat /workspace/file",
    )
    .await;
    assert_eq!(said, "1000\n1000\n/workspace\nx\n");
    clean(place, &backend).await;
}

pub(crate) async fn concurrent_creates_of_one_id_make_one(place: &dyn Place) {
    let backend = place.open().await;
    let (id, spec) = (SessionId::random(), spec());
    let created = future::join_all((0..10).map(|_| backend.create(id, &spec))).await;
    let created: Vec<Created> = created
        .into_iter()
        .map(|created| created.expect("a session"))
        .collect();
    let new = created
        .iter()
        .filter(|created| matches!(created, Created::New(_)))
        .count();
    assert_eq!(new, 1);
    let records: Vec<_> = created.into_iter().map(Created::into_record).collect();
    assert!(records.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(backend.list(&Query::default(), Page::ALL).await.unwrap().total, 1);
    clean(place, &backend).await;
}

pub(crate) async fn a_cancelled_create_leaves_nothing(place: &dyn Place) {
    let backend = place.open().await;
    let spec = spec();
    for patience in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55].map(Duration::from_millis) {
        let id = SessionId::random();
        if timeout(patience, backend.create(id, &spec)).await.is_ok() {
            backend.destroy(id, None).await.unwrap();
        }
    }
    // What was cancelled before it had left anything may still be about to.
    sleep(Duration::from_millis(500)).await;
    let listed = || async { backend.list(&Query::default(), Page::ALL).await.unwrap().total };
    eventually("nothing is left", || async {
        place.remains().await.is_empty() && listed().await == 0
    })
    .await;
}

pub(crate) async fn a_create_cancelled_by_one_of_two_stands(place: &dyn Place) {
    let backend = place.open().await;
    let (id, spec) = (SessionId::random(), spec());
    let (_, second) = future::join(
        timeout(Duration::ZERO, backend.create(id, &spec)),
        backend.create(id, &spec),
    )
    .await;
    second.expect("a session");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(run(&*backend, id, "echo here").await, "here\n");
    clean(place, &backend).await;
}

pub(crate) async fn an_unknown_image_is_not_found(place: &dyn Place) {
    let backend = place.open().await;
    let mut spec = spec();
    spec.image.reference = "no-such-image".into();
    assert_eq!(
        kind_of(backend.create(SessionId::random(), &spec)).await,
        ErrorKind::ImageNotFound
    );
    assert!(place.remains().await.is_empty());
}

pub(crate) async fn what_is_not_there_is_not_found(place: &dyn Place) {
    let backend = place.open().await;
    let id = SessionId::random();
    assert_eq!(backend.get(id).await.unwrap(), None);
    assert_eq!(
        kind_of(backend.dial(id, Instant::now() + DEADLINE)).await,
        ErrorKind::NotFound
    );
    assert_eq!(kind_of(backend.access(id)).await, ErrorKind::NotFound);
    assert_eq!(
        kind_of(backend.update(id, &Patch::default(), None)).await,
        ErrorKind::NotFound
    );
    assert_eq!(kind_of(backend.stats(id)).await, ErrorKind::NotFound);
    if backend.capabilities().pause {
        assert_eq!(kind_of(backend.pause(id)).await, ErrorKind::NotFound);
        assert_eq!(kind_of(backend.resume(id)).await, ErrorKind::NotFound);
    }
    assert_eq!(backend.destroy(id, None).await.unwrap(), Destroyed::AlreadyGone);
}

pub(crate) async fn what_cannot_be_reached_is_unavailable(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    place.obstruct(id).await;
    assert_eq!(
        kind_of(backend.dial(id, Instant::now() + Duration::from_secs(1))).await,
        ErrorKind::Unavailable
    );
    // Whether the keys are at hand is the backend's affair; they are never said not to be there.
    if let Err(error) = backend.access(id).await {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert!(backend.get(id).await.unwrap().is_some());
    clean(place, &backend).await;
}

pub(crate) async fn a_dead_sandbox_is_noticed(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    let mut events = backend.watch();
    place.kill(id).await;
    let event = timeout(DEADLINE, events.next())
        .await
        .expect("an event")
        .expect("an event");
    assert_eq!(
        event,
        Event::Removed {
            id,
            reason: Removal::Died
        }
    );
    assert_eq!(backend.get(id).await.unwrap(), None);
    assert_eq!(
        kind_of(backend.dial(id, Instant::now() + DEADLINE)).await,
        ErrorKind::NotFound
    );
    eventually("nothing is left", || async { place.remains().await.is_empty() }).await;
}

pub(crate) async fn much_goes_both_ways_at_once(place: &dyn Place) {
    const SIZE: usize = 64 << 20;
    let backend = place.open().await;
    let id = create(&backend).await;
    let client = connect(&*backend, id).await;
    let Exec { input, mut output } = client.exec(ExecRequest::command("cat")).await.expect("a command");
    let byte = |index: usize| (index.wrapping_mul(2_654_435_761) >> 16) as u8;
    let sending = async {
        for start in (0..SIZE).step_by(1 << 20) {
            let piece: Vec<u8> = (start..start + (1 << 20)).map(byte).collect();
            input.write(piece).await.expect("the command reads");
        }
        input.finish().await.expect("the command reads");
    };
    let receiving = async {
        let mut received = 0;
        while let Some(event) = output.next().await {
            if let ExecEvent::Stdout(bytes) = event {
                let expected = (received..received + bytes.len()).map(byte);
                assert!(
                    bytes.iter().copied().eq(expected),
                    "different after {received} bytes"
                );
                received += bytes.len();
            }
        }
        received
    };
    let (_, received) = timeout(2 * DEADLINE, future::join(sending, receiving))
        .await
        .expect("no deadlock");
    assert_eq!(received, SIZE);
    clean(place, &backend).await;
}

pub(crate) async fn a_restart_changes_nothing_for_sessions(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    let record = backend.get(id).await.unwrap();
    run(
        &*backend,
        id,
        "(sleep 1; echo done > /workspace/done) >/dev/null 2>&1 &",
    )
    .await;
    drop(backend);
    assert!(place.is_running(id).await);

    let backend = place.open().await;
    assert_eq!(backend.get(id).await.unwrap(), record);
    let is_done = || async { run(&*backend, id, "cat /workspace/done || true").await == "done\n" };
    eventually("the command that was running ends", is_done).await;
    assert_eq!(backend.destroy(id, None).await.unwrap(), Destroyed::Gone);
    assert!(!place.is_running(id).await);
    clean(place, &backend).await;
}

pub(crate) async fn what_died_while_no_server_ran_is_swept(place: &dyn Place) {
    let backend = place.open().await;
    let (dead, alive) = (create(&backend).await, create(&backend).await);
    drop(backend);
    place.kill(dead).await;
    let backend = place.open().await;
    let listing = backend.list(&Query::default(), Page::ALL).await.unwrap();
    assert_eq!(
        listing.records.iter().map(|record| record.id).collect::<Vec<_>>(),
        [alive]
    );
    clean(place, &backend).await;
}

pub(crate) async fn sessions_expire_while_no_server_runs(place: &dyn Place) {
    let backend = place.open().await;
    let id = create_from(&backend, &lasting(Duration::from_secs(2))).await;
    drop(backend);
    assert!(place.is_running(id).await);
    eventually("the sandbox ends by itself", || async {
        !place.is_running(id).await
    })
    .await;
    let backend = place.open().await;
    assert_eq!(backend.get(id).await.unwrap(), None);
    clean(place, &backend).await;
}

pub(crate) async fn sessions_expire_while_a_server_runs(place: &dyn Place) {
    let backend = place.open().await;
    let mut events = backend.watch();
    let id = create_from(&backend, &lasting(Duration::from_secs(2))).await;
    let removed = async {
        while let Some(event) = events.next().await {
            if let Event::Removed { id, reason } = event {
                return (id, reason);
            }
        }
        panic!("the events ended");
    };
    assert_eq!(
        timeout(DEADLINE, removed).await.expect("it expires"),
        (id, Removal::Expired)
    );
    clean(place, &backend).await;
}

pub(crate) async fn a_renewal_beats_a_racing_sweep(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    let expires = |seconds| Patch {
        expires_at: Some(Utc::now() + TimeDelta::seconds(seconds)),
        ..Patch::default()
    };
    backend.update(id, &expires(-1), None).await.unwrap();
    let query = Query {
        expired_at: Some(Utc::now()),
        ..Query::default()
    };
    let seen = backend.list(&query, Page::ALL).await.unwrap().records;
    assert_eq!(seen.len(), 1);

    let renewed = backend
        .update(id, &expires(300), Some(seen[0].revision))
        .await
        .unwrap();
    assert_eq!(
        kind_of(backend.destroy(id, Some(seen[0].revision))).await,
        ErrorKind::Conflict
    );
    assert_eq!(
        kind_of(backend.update(id, &expires(1), Some(seen[0].revision))).await,
        ErrorKind::Conflict
    );
    assert_eq!(backend.get(id).await.unwrap(), Some(renewed.clone()));
    assert_eq!(backend.list(&query, Page::ALL).await.unwrap().total, 0);
    assert_eq!(
        backend.destroy(id, Some(renewed.revision)).await.unwrap(),
        Destroyed::Gone
    );
    clean(place, &backend).await;
}

pub(crate) async fn destroying_is_idempotent(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    let results = future::join_all((0..5).map(|_| backend.destroy(id, None))).await;
    let gone = results
        .iter()
        .filter(|result| matches!(result, Ok(Destroyed::Gone)))
        .count();
    let already = results
        .iter()
        .filter(|result| matches!(result, Ok(Destroyed::AlreadyGone)))
        .count();
    assert_eq!((gone, already), (1, 4));
    assert!(!place.is_running(id).await);
    assert!(place.remains().await.is_empty());
}

pub(crate) async fn a_name_can_be_used_again(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    run(&*backend, id, "echo old > /workspace/file").await;
    backend.destroy(id, None).await.unwrap();
    assert!(matches!(
        backend.create(id, &spec()).await.unwrap(),
        Created::New(_)
    ));
    assert_eq!(run(&*backend, id, "ls -A /workspace").await, "");
    clean(place, &backend).await;
}

pub(crate) async fn lists_are_ordered_and_paged(place: &dyn Place) {
    let backend = place.open().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(create(&backend).await);
        sleep(Duration::from_millis(2)).await;
    }
    let other = create_from(
        &backend,
        &Spec {
            owner: Owner::new("bob"),
            ..spec()
        },
    )
    .await;
    let alice = Query {
        owner: Some(Owner::new("alice")),
        ..Query::default()
    };
    for (offset, limit, expected) in [
        (0, 100, &ids[..]),
        (1, 2, &ids[1..3]),
        (3, 2, &ids[3..]),
        (4, 1, &[]),
    ] {
        let listing = backend.list(&alice, Page { offset, limit }).await.unwrap();
        assert_eq!(listing.total, 4);
        assert_eq!(
            listing.records.iter().map(|record| record.id).collect::<Vec<_>>(),
            expected
        );
    }
    let all = backend
        .list(
            &Query::default(),
            Page {
                offset: u64::MAX,
                limit: 1,
            },
        )
        .await
        .unwrap();
    assert_eq!((all.total, all.records.len()), (5, 0));
    assert_eq!(
        backend.list(&Query::default(), Page::ALL).await.unwrap().records[4].id,
        other
    );
    clean(place, &backend).await;
}

pub(crate) async fn updates_hold_or_are_refused(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    let before = backend.get(id).await.unwrap().expect("the session");
    let used = before.created_at + TimeDelta::milliseconds(5);
    let patch = Patch {
        last_activity_at: Some(used),
        ..Patch::default()
    };
    let after = backend.update(id, &patch, Some(before.revision)).await.unwrap();
    assert_eq!(
        (after.last_activity_at, after.expires_at),
        (Some(used), before.expires_at)
    );
    assert_ne!(after.revision, before.revision);

    let longer = Patch {
        expires_at: Some(before.expires_at + TimeDelta::hours(1)),
        ..Patch::default()
    };
    match backend.update(id, &longer, None).await {
        Ok(record) => assert_eq!(Some(record.expires_at), longer.expires_at),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(backend.get(id).await.unwrap(), Some(after));
        }
    }
    clean(place, &backend).await;
}

pub(crate) async fn a_paused_session_stands_still(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    if !backend.capabilities().pause {
        println!("skipped: sessions cannot be paused here");
        assert_eq!(kind_of(backend.pause(id)).await, ErrorKind::Unsupported);
        return clean(place, &backend).await;
    }
    let counting =
        "i=0; while true; do i=$((i+1)); echo $i > /workspace/count; sleep 0.01; done >/dev/null 2>&1 &";
    run(&*backend, id, counting).await;
    assert_eq!(kind_of(backend.resume(id)).await, ErrorKind::InvalidState);
    assert_eq!(backend.pause(id).await.unwrap().state, State::Paused);
    assert_eq!(kind_of(backend.pause(id)).await, ErrorKind::InvalidState);
    let backend = {
        drop(backend);
        place.open().await
    };
    assert_eq!(
        backend.get(id).await.unwrap().expect("the session").state,
        State::Paused
    );
    sleep(Duration::from_millis(500)).await;
    let resumed = backend.resume(id).await.unwrap();
    assert_eq!(resumed.state, State::Running);
    let count = || async {
        run(&*backend, id, "cat /workspace/count")
            .await
            .trim()
            .parse::<u32>()
            .unwrap_or(0)
    };
    let first = count().await;
    eventually("it goes on", || async { count().await > first }).await;
    backend.pause(id).await.unwrap();
    assert_eq!(backend.destroy(id, None).await.unwrap(), Destroyed::Gone);
    clean(place, &backend).await;
}

pub(crate) async fn use_is_measured(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    match backend.stats(id).await.unwrap() {
        Some(stats) => assert!(stats.memory_bytes.is_none_or(|bytes| bytes > 0), "{stats:?}"),
        None => assert!(!backend.capabilities().stats),
    }
    clean(place, &backend).await;
}

pub(crate) async fn watchers_see_what_happens(place: &dyn Place) {
    let backend = place.open().await;
    let mut events = backend.watch();
    let id = create(&backend).await;
    let patch = Patch {
        last_activity_at: Some(Utc::now()),
        ..Patch::default()
    };
    let updated = backend.update(id, &patch, None).await.unwrap();
    backend.destroy(id, None).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(
            timeout(DEADLINE, events.next())
                .await
                .expect("an event")
                .expect("an event"),
        );
    }
    assert!(matches!(&seen[0], Event::Upsert(record) if record.id == id));
    assert_eq!(
        seen[1..],
        [
            Event::Upsert(Box::new(updated)),
            Event::Removed {
                id,
                reason: Removal::Destroyed
            }
        ]
    );
    clean(place, &backend).await;
}

pub(crate) async fn a_watcher_that_missed_something_is_told(place: &dyn Place) {
    let backend = place.open().await;
    let id = create(&backend).await;
    let mut events = backend.watch();
    let mut resync = false;
    // How many events a watcher may be behind is the backend's business, but it is not without end.
    for round in 0..2000 {
        let patch = Patch {
            last_activity_at: Some(Utc::now()),
            ..Patch::default()
        };
        backend.update(id, &patch, None).await.unwrap();
        if round % 500 == 499 {
            resync = matches!(timeout(DEADLINE, events.next()).await, Ok(Some(Event::Resync)));
            if resync {
                break;
            }
        }
    }
    assert!(resync, "a gap was not told");
    clean(place, &backend).await;
}

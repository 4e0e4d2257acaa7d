//! What the service decides, over a backend that only remembers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{SubsecRound, TimeDelta};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, future};
use tokio::time::Instant;

use super::*;
use crate::backend::{
    Access, BoxIo, Capabilities, Created, Error as BackendError, ErrorKind as BackendErrorKind, Event, Patch,
    Revision, Spec, Stats,
};

type Remembered<T> = crate::backend::Result<T>;

/// Records without sandboxes.
#[derive(Default)]
struct Memory {
    capabilities: Capabilities,
    records: Mutex<HashMap<SessionId, Record>>,
    /// Renew everything that a list has shown.
    renews: AtomicBool,
    /// Make no session.
    fails: AtomicBool,
}

impl Memory {
    fn change(
        &self,
        id: SessionId,
        if_match: Option<Revision>,
        change: impl FnOnce(&mut Record),
    ) -> Remembered<Record> {
        let mut records = self.records.lock().unwrap();
        let record = records.get_mut(&id).ok_or_else(|| BackendError::not_found(id))?;
        if if_match.is_some_and(|expected| expected != record.revision) {
            return Err(BackendError::new(BackendErrorKind::Conflict, "changed"));
        }
        change(record);
        record.revision = record.revision.next();
        Ok(record.clone())
    }

    fn expire(&self, id: SessionId) {
        self.change(id, None, |record| {
            record.expires_at = Utc::now() - TimeDelta::seconds(1)
        })
        .unwrap();
    }
}

#[async_trait]
impl Backend for Memory {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn create(&self, id: SessionId, spec: &Spec) -> Remembered<Created> {
        tokio::task::yield_now().await;
        if self.fails.load(Ordering::Relaxed) {
            return Err(BackendError::new(BackendErrorKind::CreateFailed, "no"));
        }
        let created_at = Utc::now().trunc_subsecs(3);
        let record = Record {
            id,
            owner: spec.owner.clone(),
            image: spec.image.clone(),
            metadata: spec.metadata.clone(),
            ssh_public_key: spec.ssh_public_key.clone(),
            ssh_host_key: String::new(),
            request: spec.request,
            created_at,
            expires_at: created_at + spec.ttl,
            last_activity_at: None,
            state: State::Running,
            revision: Revision::FIRST,
        };
        self.records.lock().unwrap().insert(id, record.clone());
        Ok(Created::New(record))
    }

    async fn get(&self, id: SessionId) -> Remembered<Option<Record>> {
        Ok(self.records.lock().unwrap().get(&id).cloned())
    }

    async fn list(&self, query: &Query, _: Page) -> Remembered<Listing> {
        let records: Vec<Record> = self
            .records
            .lock()
            .unwrap()
            .values()
            .filter(|record| query.matches(record))
            .cloned()
            .collect();
        if self.renews.load(Ordering::Relaxed) {
            for record in &records {
                self.change(record.id, None, |record| {
                    record.expires_at = Utc::now() + TimeDelta::hours(1)
                })?;
            }
        }
        Ok(Listing {
            total: records.len() as u64,
            records,
        })
    }

    async fn update(&self, id: SessionId, patch: &Patch, if_match: Option<Revision>) -> Remembered<Record> {
        self.change(id, if_match, |record| {
            record.last_activity_at = patch.last_activity_at
        })
    }

    async fn dial(&self, _: SessionId, _: Instant) -> Remembered<BoxIo> {
        Err(BackendError::new(
            BackendErrorKind::Unavailable,
            "there are no sandboxes",
        ))
    }

    async fn access(&self, _: SessionId) -> Remembered<Access> {
        Err(BackendError::new(
            BackendErrorKind::Unavailable,
            "there are no sandboxes",
        ))
    }

    async fn pause(&self, id: SessionId) -> Remembered<Record> {
        self.change(id, None, |record| record.state = State::Paused)
    }

    async fn resume(&self, id: SessionId) -> Remembered<Record> {
        self.change(id, None, |record| record.state = State::Running)
    }

    async fn stats(&self, _: SessionId) -> Remembered<Option<Stats>> {
        Ok(None)
    }

    async fn destroy(&self, id: SessionId, if_match: Option<Revision>) -> Remembered<Destroyed> {
        match self.change(id, if_match, |_| {}) {
            Ok(_) => Ok(self
                .records
                .lock()
                .unwrap()
                .remove(&id)
                .map_or(Destroyed::AlreadyGone, |_| Destroyed::Gone)),
            Err(error) if error.kind() == BackendErrorKind::NotFound => Ok(Destroyed::AlreadyGone),
            Err(error) => Err(error),
        }
    }

    fn watch(&self) -> BoxStream<'static, Event> {
        stream::pending().boxed()
    }
}

/// The most sessions of one owner.
const PER_OWNER: usize = 5;

fn house(sessions: usize) -> (Arc<Memory>, Arc<Service>, Owner) {
    let memory = Arc::new(Memory::default());
    let service = serve(memory.clone(), sessions);
    (memory, service, Owner::new("alice"))
}

fn serve(memory: Arc<Memory>, sessions: usize) -> Arc<Service> {
    let host = Capabilities {
        images: vec!["host".to_owned()],
        ..Capabilities::default()
    };
    let images = Images::new(&host, &BTreeMap::new()).unwrap();
    let bounds = Bounds {
        sessions: SessionBounds {
            of_all: sessions,
            per_owner: PER_OWNER,
        },
        output_bytes: 100,
        upload_bytes: 100,
        tunnels: TunnelBounds {
            per_session: 1,
            per_owner: 1,
            idle: Duration::from_secs(60),
            total: Duration::from_secs(60),
        },
    };
    Service::new(memory, images, bounds)
}

fn new() -> NewSession {
    NewSession {
        ttl: Duration::from_secs(60),
        image: None,
        metadata: Map::new(),
        ssh_public_key: None,
    }
}

fn command() -> Execution {
    Execution::command("true".to_owned(), Vec::new(), Duration::from_secs(1)).unwrap()
}

#[tokio::test]
async fn a_session_whose_time_is_up_is_as_good_as_none() {
    let (memory, service, alice) = house(10);
    let id = service.create(&alice, new(), None).await.unwrap().id;
    assert_eq!(service.get(&alice, id).await.unwrap().id, id);
    memory.expire(id);
    assert_eq!(
        service.get(&alice, id).await.unwrap_err().kind,
        ErrorKind::SessionNotFound
    );
    assert_eq!(
        service.delete(&alice, id).await.unwrap_err().kind,
        ErrorKind::SessionNotFound
    );
}

#[tokio::test]
async fn a_sweep_removes_what_has_expired_and_nothing_else() {
    let (memory, service, alice) = house(10);
    let (old, young) = (
        service.create(&alice, new(), None).await.unwrap().id,
        service.create(&alice, new(), None).await.unwrap().id,
    );
    memory.expire(old);
    service.sweep().await;
    assert_eq!(
        memory.records.lock().unwrap().keys().copied().collect::<Vec<_>>(),
        [young]
    );
}

#[tokio::test]
async fn a_renewal_beats_a_sweep() {
    let (memory, service, alice) = house(10);
    let id = service.create(&alice, new(), None).await.unwrap().id;
    memory.expire(id);
    memory.renews.store(true, Ordering::Relaxed);
    service.sweep().await;
    assert_eq!(service.get(&alice, id).await.unwrap().id, id);
}

#[tokio::test]
async fn there_are_as_many_sessions_as_places_and_never_more() {
    let (memory, service, alice) = house(3);
    let created = future::join_all((0..10).map(|_| service.create(&alice, new(), None))).await;
    let refused: Vec<_> = created
        .iter()
        .filter_map(|created| created.as_ref().err())
        .collect();
    assert!(
        refused
            .iter()
            .all(|error| error.kind == ErrorKind::Unavailable && error.message.contains('3'))
    );
    assert_eq!((memory.records.lock().unwrap().len(), refused.len()), (3, 7));

    let id = *memory.records.lock().unwrap().keys().next().unwrap();
    service.delete(&alice, id).await.unwrap();
    service.create(&alice, new(), None).await.unwrap();
}

#[tokio::test]
async fn one_owner_takes_no_more_than_its_share() {
    let (memory, service, alice) = house(2 * PER_OWNER);
    let created = future::join_all((0..20).map(|_| service.create(&alice, new(), None))).await;
    let refused: Vec<_> = created.into_iter().filter_map(Result::err).collect();
    for error in &refused {
        assert_eq!(error.kind, ErrorKind::TooManySessions, "{error}");
    }
    assert_eq!(
        (memory.records.lock().unwrap().len(), refused.len()),
        (PER_OWNER, 15)
    );

    let late = service.create(&alice, new(), None).await.unwrap_err();
    // When the first of the sessions ends.
    let wait = late.retry_after.unwrap();
    assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
    let bob = Owner::new("bob");
    for _ in 0..PER_OWNER {
        service.create(&bob, new(), None).await.unwrap();
    }
}

#[tokio::test]
async fn a_repeated_create_takes_no_place() {
    let (_memory, service, alice) = house(10);
    let mut last = service.create(&alice, new(), Some("key")).await.unwrap().id;
    for _ in 1..PER_OWNER {
        last = service.create(&alice, new(), None).await.unwrap().id;
    }
    service.create(&alice, new(), Some("key")).await.unwrap();
    let refused = service.create(&alice, new(), Some("other")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TooManySessions);
    // The refused one has not used its key up.
    service.delete(&alice, last).await.unwrap();
    service.create(&alice, new(), Some("other")).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_reached_is_explained() {
    let (memory, service, alice) = house(10);
    let id = service.create(&alice, new(), None).await.unwrap().id;
    assert_eq!(
        service.run(&alice, id, &command()).await.unwrap_err().kind,
        ErrorKind::Unavailable
    );
    memory.records.lock().unwrap().clear();
    assert_eq!(
        service.run(&alice, id, &command()).await.unwrap_err().kind,
        ErrorKind::SessionNotFound
    );
}

#[tokio::test]
async fn the_last_use_is_shown_at_once_and_written_down_later() {
    let (memory, service, alice) = house(10);
    let id = service.create(&alice, new(), None).await.unwrap().id;
    assert_eq!(service.get(&alice, id).await.unwrap().last_activity_at, None);
    let _ = service.run(&alice, id, &command()).await;
    let shown = service.get(&alice, id).await.unwrap().last_activity_at;
    assert!(shown.is_some());
    assert_eq!(memory.get(id).await.unwrap().unwrap().last_activity_at, None);
    service.write_activity().await;
    assert_eq!(memory.get(id).await.unwrap().unwrap().last_activity_at, shown);
}

#[tokio::test]
async fn a_key_makes_one_session_however_often_it_comes() {
    let (memory, service, alice) = house(1);
    let created = future::join_all((0..10).map(|_| service.create(&alice, new(), Some("key")))).await;
    let ids: Vec<SessionId> = created.into_iter().map(|created| created.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(memory.records.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_repeated_create_answers_the_session_as_it_is_now() {
    let (_memory, service, alice) = house(10);
    let id = service.create(&alice, new(), Some("key")).await.unwrap().id;
    let _ = service.run(&alice, id, &command()).await;
    service.pause(&alice, id).await.unwrap();
    let again = service.create(&alice, new(), Some("key")).await.unwrap();
    assert_eq!(
        (again.id, again.state, again.last_activity_at.is_some()),
        (id, State::Paused, true)
    );
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let (memory, service, alice) = house(10);
    let id = service.create(&alice, new(), Some("key")).await.unwrap().id;
    let other = || NewSession {
        ttl: Duration::from_secs(61),
        ..new()
    };
    let refused = service.create(&alice, other(), Some("key")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::IdempotencyKeyReused);
    assert_ne!(
        service.create(&alice, other(), Some("other")).await.unwrap().id,
        id
    );
    let bob = Owner::new("bob");
    assert_ne!(service.create(&bob, other(), Some("key")).await.unwrap().id, id);
    assert_eq!(memory.records.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_key_outlives_its_session() {
    let (memory, service, alice) = house(10);
    let refused = async |key| service.create(&alice, new(), Some(key)).await.unwrap_err().kind;
    let deleted = service.create(&alice, new(), Some("deleted")).await.unwrap().id;
    service.delete(&alice, deleted).await.unwrap();
    assert_eq!(refused("deleted").await, ErrorKind::SessionEnded);

    let expired = service.create(&alice, new(), Some("expired")).await.unwrap().id;
    memory.expire(expired);
    assert_eq!(refused("expired").await, ErrorKind::SessionEnded);
    service.sweep().await;
    assert_eq!(refused("expired").await, ErrorKind::SessionEnded);

    let other = NewSession {
        ttl: Duration::from_secs(61),
        ..new()
    };
    let reused = service.create(&alice, other, Some("expired")).await.unwrap_err();
    assert_eq!(reused.kind, ErrorKind::IdempotencyKeyReused);
    assert!(memory.records.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_new_server_knows_the_keys_of_the_living() {
    let (memory, service, alice) = house(10);
    let id = service.create(&alice, new(), Some("key")).await.unwrap().id;
    drop(service);
    let service = serve(memory, 10);
    service.recall_keys().await.unwrap();
    assert_eq!(service.create(&alice, new(), Some("key")).await.unwrap().id, id);
    service.delete(&alice, id).await.unwrap();
    let refused = service.create(&alice, new(), Some("key")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::SessionEnded);
}

#[tokio::test]
async fn a_failed_create_leaves_its_key_unused() {
    let (memory, service, alice) = house(10);
    memory.fails.store(true, Ordering::Relaxed);
    let failed = service.create(&alice, new(), Some("key")).await.unwrap_err();
    assert_eq!(failed.kind, ErrorKind::CreateFailed);
    memory.fails.store(false, Ordering::Relaxed);
    service.create(&alice, new(), Some("key")).await.unwrap();
}

#[tokio::test]
async fn a_create_with_a_key_goes_on_when_nobody_waits() {
    let (memory, service, alice) = house(10);
    assert!(
        service
            .create(&alice, new(), Some("key"))
            .now_or_never()
            .is_none()
    );
    let made = service.create(&alice, new(), Some("key")).await.unwrap();
    let ids: Vec<SessionId> = memory.records.lock().unwrap().keys().copied().collect();
    assert_eq!(ids, [made.id]);
}

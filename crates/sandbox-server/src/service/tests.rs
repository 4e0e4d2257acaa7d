//! What the service decides, over a backend that only remembers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use chrono::{SubsecRound, TimeDelta};
use futures_util::future;
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use super::*;
use crate::backend::{
    Access, BoxIo, Capabilities, Created, Error as BackendError, ErrorKind as BackendErrorKind, Event, Patch,
    Revision, Stats,
};

type Remembered<T> = crate::backend::Result<T>;

/// Records without sandboxes.
#[derive(Default)]
struct Memory {
    capabilities: Capabilities,
    records: Mutex<HashMap<SessionId, Record>>,
    /// Renew everything that a list has shown.
    renews: AtomicBool,
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
        let created_at = Utc::now().trunc_subsecs(3);
        let record = Record {
            id,
            owner: spec.owner.clone(),
            image: spec.image.clone(),
            metadata: spec.metadata.clone(),
            ssh_public_key: spec.ssh_public_key.clone(),
            ssh_host_key: String::new(),
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

fn house(sessions: usize) -> (Arc<Memory>, Arc<Service>, Owner) {
    let memory = Arc::new(Memory::default());
    let images = Images::new(&["host".to_owned()], &BTreeMap::new()).unwrap();
    let bounds = Bounds {
        sessions,
        output_bytes: 100,
        upload_bytes: 100,
        tunnels: TunnelBounds {
            per_session: 1,
            per_owner: 1,
            idle: Duration::from_secs(60),
            total: Duration::from_secs(60),
        },
    };
    (
        memory.clone(),
        Service::new(memory, images, bounds),
        Owner::new("alice"),
    )
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
    let id = service.create(&alice, new()).await.unwrap().id;
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
        service.create(&alice, new()).await.unwrap().id,
        service.create(&alice, new()).await.unwrap().id,
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
    let id = service.create(&alice, new()).await.unwrap().id;
    memory.expire(id);
    memory.renews.store(true, Ordering::Relaxed);
    service.sweep().await;
    assert_eq!(service.get(&alice, id).await.unwrap().id, id);
}

#[tokio::test]
async fn there_are_never_more_sessions_than_places() {
    let (memory, service, alice) = house(3);
    let created = future::join_all((0..10).map(|_| service.create(&alice, new()))).await;
    let refused: Vec<_> = created
        .iter()
        .filter_map(|created| created.as_ref().err())
        .collect();
    assert!(
        refused
            .iter()
            .all(|error| error.kind == ErrorKind::Unavailable && error.message.contains('3'))
    );
    let living = memory.records.lock().unwrap().len();
    assert!(living <= 3 && refused.len() == 10 - living, "{living}");

    let id = *memory.records.lock().unwrap().keys().next().unwrap();
    service.delete(&alice, id).await.unwrap();
    service.create(&alice, new()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_reached_is_explained() {
    let (memory, service, alice) = house(10);
    let id = service.create(&alice, new()).await.unwrap().id;
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
    let id = service.create(&alice, new()).await.unwrap().id;
    assert_eq!(service.get(&alice, id).await.unwrap().last_activity_at, None);
    let _ = service.run(&alice, id, &command()).await;
    let shown = service.get(&alice, id).await.unwrap().last_activity_at;
    assert!(shown.is_some());
    assert_eq!(memory.get(id).await.unwrap().unwrap().last_activity_at, None);
    service.write_activity().await;
    assert_eq!(memory.get(id).await.unwrap().unwrap().last_activity_at, shown);
}

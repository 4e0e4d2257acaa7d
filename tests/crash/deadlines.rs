//! Deadlines that pass while no server is there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use contract_tests::traces::Found;
use libtest_mimic::Trial;
use sandbox_server::Limits;
use sandbox_server::backend::embedded::{Embedded, EmbeddedConfig, HOST_IMAGE, Lifetime};
use sandbox_server::backend::{Backend, Image, Owner, SessionId, Spec};
use tokio::time::sleep;

use crate::audit::audit;
use crate::ledger::Ledger;
use crate::load::creation;
use crate::scene::{Scene, Stage, trial};

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    vec![
        trial(
            stage,
            "deadlines::a_session_ends_at_its_deadline_without_a_server",
            without_a_server,
        ),
        trial(
            stage,
            "deadlines::a_server_that_starts_ends_at_once_what_is_overdue",
            overdue,
        ),
    ]
}

/// The shortest time to live that the API takes is a minute; the backend below it takes any.
async fn without_a_server(_: Arc<Stage>) {
    let mut scene = Scene::open().unwrap();
    scene.kill();
    let id = SessionId::random();
    {
        let backend = Embedded::open(EmbeddedConfig {
            state_dir: scene.state(),
            lifetime: Lifetime::Persistent,
            limits: Limits::default(),
            shared_paths: Vec::new(),
            images: None,
            program: PathBuf::from("/proc/self/exe"),
        });
        let backend = backend.await.unwrap();
        let closed = backend.closed();
        backend.create(id, &brief()).await.unwrap();
        drop(backend);
        closed.wait().await;
    }
    let first = scene.first_process(&id.to_string()).expect("a process");
    while is_alive(first) {
        sleep(Duration::from_millis(20)).await;
    }
    let record = std::fs::read_to_string(scene.session(&id.to_string()).join("record.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let expires_at: chrono::DateTime<Utc> = record["deadline"].as_str().unwrap().parse().unwrap();
    assert!(Utc::now() >= expires_at, "it ended before its time");

    scene.found.insert(id.to_string());
    scene.start().unwrap();
    assert_eq!(audit(&scene, &Ledger::default()).await, BTreeSet::new());
}

fn brief() -> Spec {
    Spec {
        owner: Owner::new("somebody"),
        image: Image {
            name: HOST_IMAGE.to_owned(),
            reference: HOST_IMAGE.to_owned(),
        },
        ttl: Duration::from_secs(2),
        metadata: serde_json::Map::new(),
        ssh_public_key: None,
        request: None,
    }
}

/// Where the agent has not ended the session, for it was told of another time, the server does, before it answers.
async fn overdue(_: Arc<Stage>) {
    let mut scene = Scene::open().unwrap();
    let ledger = Ledger::default();
    let ttl = Duration::from_secs(600);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let number = ledger.creation(None, ttl);
        let session = creation(&scene.client(), number, ttl).await.unwrap();
        ledger.made(number, session.id(), session.expires_at());
        ids.push(session.id());
    }
    let (over, lasting) = (ids[0], ids[1]);
    scene.kill();

    let past = Utc::now() - TimeDelta::seconds(1);
    let path = scene.session(&over.to_string()).join("record.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let past_text = past.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    record["record"]["expires_at"] = past_text.clone().into();
    record["deadline"] = past_text.into();
    std::fs::write(&path, record.to_string()).unwrap();
    let first = scene.first_process(&over.to_string()).expect("a process");
    assert!(is_alive(first));

    scene.start().unwrap();
    assert!(
        !is_alive(first),
        "the server answers, and an overdue session lives"
    );
    ledger.change(over, |account| account.expires_at = past);
    let findings = audit(&scene, &ledger).await;
    assert!(findings.is_empty(), "{findings:#?}");
    // The audit would have told: of the other one it knows.
    assert!(ledger.accounts()[&lasting].is_there.is(&true));
    scene.client().delete_session(&lasting).await.unwrap();
}

fn is_alive(pid: u32) -> bool {
    Found::look(pid).is_some_and(|found| !found.is_dead)
}

//! The embedded backend under the conformance suite, and what is its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use sandbox_server::Limits;
use sandbox_server::backend::embedded::{Embedded, EmbeddedConfig, Lifetime};
use sandbox_server::backend::{Backend, ErrorKind, SessionId, State};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::conformance::{self as suite, Place};
use crate::ssh::{eventually, run};
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>) -> Vec<Trial> {
    macro_rules! conformance {
        ($($test:ident),+ $(,)?) => {
            vec![$(trial(runtime, concat!("embedded::", stringify!($test)), || async {
                suite::$test(&Machine::new()).await
            })),+]
        };
    }
    let mut trials = conformance![
        a_session_is_what_was_asked_for,
        concurrent_creates_of_one_id_make_one,
        a_cancelled_create_leaves_nothing,
        a_create_cancelled_by_one_of_two_stands,
        an_unknown_image_is_not_found,
        what_is_not_there_is_not_found,
        what_cannot_be_reached_is_unavailable,
        a_dead_sandbox_is_noticed,
        much_goes_both_ways_at_once,
        a_restart_changes_nothing_for_sessions,
        what_died_while_no_server_ran_is_swept,
        sessions_expire_while_no_server_runs,
        sessions_expire_while_a_server_runs,
        a_renewal_beats_a_racing_sweep,
        destroying_is_idempotent,
        a_name_can_be_used_again,
        lists_are_ordered_and_paged,
        updates_hold_or_are_refused,
        a_paused_session_stands_still,
        use_is_measured,
        watchers_see_what_happens,
        a_watcher_that_missed_something_is_told,
    ];
    trials.push(trial(
        runtime,
        "embedded::a_state_directory_serves_one_server",
        one_server,
    ));
    trials.push(trial(
        runtime,
        "embedded::a_half_made_session_is_swept",
        half_made,
    ));
    trials.push(trial(
        runtime,
        "embedded::a_sandbox_that_nobody_was_told_of_is_ended",
        untold,
    ));
    trials.push(trial(
        runtime,
        "embedded::what_a_record_says_of_a_session_is_made_true",
        half_switched,
    ));
    trials.push(trial(
        runtime,
        "embedded::ephemeral_sandboxes_end_with_their_server",
        ephemeral,
    ));
    trials
}

/// A state directory on this machine.
struct Machine {
    state: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self {
            state: tempfile::tempdir().expect("a directory"),
        }
    }

    fn config(&self, lifetime: Lifetime) -> EmbeddedConfig {
        EmbeddedConfig {
            state_dir: self.state.path().to_owned(),
            lifetime,
            limits: Limits {
                memory_bytes: 256 << 20,
                disk_bytes: 64 << 20,
                ..Limits::default()
            },
            shared_paths: Vec::new(),
            images: None,
            program: PathBuf::from("/proc/self/exe"),
        }
    }

    fn session(&self, id: SessionId) -> PathBuf {
        self.state.path().join("sessions").join(id.to_string())
    }
}

#[async_trait]
impl Place for Machine {
    async fn open(&self) -> Arc<dyn Backend> {
        // What held the lock may be on its way out still: work that was begun is done to its end.
        for _ in 0..1000 {
            match Embedded::open(self.config(Lifetime::Persistent)).await {
                Ok(backend) => return Arc::new(backend),
                Err(error) if is_in_use(&error) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
            }
        }
        panic!("the state directory is in use for ever");
    }

    async fn is_running(&self, id: SessionId) -> bool {
        first_process(&self.session(id)).is_some_and(is_alive)
    }

    async fn obstruct(&self, id: SessionId) {
        for file in ["agent.sock", "control.key"] {
            std::fs::remove_file(self.session(id).join(file)).expect("the file is there");
        }
    }

    async fn kill(&self, id: SessionId) {
        let pid = first_process(&self.session(id)).expect("a process");
        kill_process(pid, Signal::KILL).expect("the sandbox is ours to kill");
        eventually("it ends", || async { !is_alive(pid) }).await;
    }

    async fn remains(&self) -> Vec<String> {
        let sessions = std::fs::read_dir(self.state.path().join("sessions")).expect("a directory");
        let names = sessions.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        names.collect()
    }
}

fn is_in_use(error: &dyn std::error::Error) -> bool {
    std::iter::successors(error.source(), |cause| (*cause).source())
        .any(|cause| cause.to_string().contains("in use"))
}

/// The first process of a sandbox, as the session's record names it.
fn first_process(session: &Path) -> Option<Pid> {
    let record = std::fs::read(session.join("record.json")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&record).ok()?;
    Pid::from_raw(record["sandbox"]["pid"].as_i64()?.try_into().ok()?)
}

/// A zombie is dead, whoever has not buried it.
fn is_alive(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(')')?.1.trim_start().chars().next()? != 'Z'))
        .unwrap_or(false)
}

async fn one_server() {
    let machine = Machine::new();
    let _backend = machine.open().await;
    let error = Embedded::open(machine.config(Lifetime::Persistent))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(is_in_use(&error), "{:?}", std::error::Error::source(&error));
}

async fn half_made() {
    let machine = Machine::new();
    drop(machine.open().await);
    let directory = machine.session(SessionId::random());
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("record.json"), "{\"record\": {").unwrap();
    let backend = machine.open().await;
    assert!(!directory.exists());
    assert_eq!(
        backend
            .list(&Default::default(), sandbox_server::backend::Page::ALL)
            .await
            .unwrap()
            .total,
        0
    );
}

/// As after a kill between the two last steps of a creation.
async fn untold() {
    let machine = Machine::new();
    let backend = machine.open().await;
    let id = SessionId::random();
    backend.create(id, &suite::spec()).await.unwrap();
    drop(backend);
    let directory = machine.session(id);
    let pid = first_process(&directory).expect("a process");
    std::fs::rename(directory.join("record.json"), directory.join("record.json.new")).unwrap();
    let backend = machine.open().await;
    assert!(!is_alive(pid) && !directory.exists());
    assert_eq!(backend.get(id).await.unwrap(), None);
}

/// As after a kill between switching a session and writing that down.
async fn half_switched() {
    let machine = Machine::new();
    let backend = machine.open().await;
    if !backend.capabilities().pause {
        println!("skipped: this host cannot pause sandboxes");
        return;
    }
    let id = SessionId::random();
    backend.create(id, &suite::spec()).await.unwrap();
    let freezer = freezer(&machine.session(id));
    drop(backend);

    std::fs::write(&freezer, "1").unwrap();
    let backend = machine.open().await;
    assert_eq!(run(&*backend, id, "echo awake").await, "awake\n");
    backend.pause(id).await.unwrap();
    drop(backend);

    std::fs::write(&freezer, "0").unwrap();
    let backend = machine.open().await;
    assert_eq!(backend.get(id).await.unwrap().unwrap().state, State::Paused);
    assert_eq!(std::fs::read_to_string(&freezer).unwrap().trim(), "1");
    backend.destroy(id, None).await.unwrap();
}

/// What stops and starts the processes of a session, as its record names it.
fn freezer(session: &Path) -> PathBuf {
    let record = std::fs::read(session.join("record.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let groups = record["sandbox"]["group"]["directories"]
        .as_array()
        .expect("groups");
    let mut freezers = groups
        .iter()
        .map(|group| Path::new(group[1].as_str().expect("a path")).join("user/cgroup.freeze"));
    freezers.find(|path| path.exists()).expect("a group of version 2")
}

async fn ephemeral() {
    let machine = Machine::new();
    let backend = Embedded::open(machine.config(Lifetime::Ephemeral)).await.unwrap();
    let id = SessionId::random();
    backend.create(id, &suite::spec()).await.unwrap();
    let own = std::fs::read_dir(machine.state.path()).unwrap();
    let own: Vec<PathBuf> = own
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let session = own[0].join("sessions").join(id.to_string());
    let pid = first_process(&session).expect("a process");
    assert!(is_alive(pid));
    drop(backend);
    eventually("the sandbox ends with its server", || async { !is_alive(pid) }).await;
    eventually("its directory is removed", || async { !own[0].exists() }).await;
}

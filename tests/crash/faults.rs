//! Faults made on purpose, each of which the audit has to find.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use contract_tests::traces;
use libtest_mimic::Trial;
use rustix::mount::{MountFlags, UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use sandbox_sessions::SessionId;
use tokio::time::sleep;

use crate::audit::{Finding, audit, freezer_path};
use crate::ledger::Ledger;
use crate::load::{FILE, content, creation};
use crate::scene::{Scene, Stage, trial};
use crate::strays::{Stray, strays};

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    vec![
        trial(
            stage,
            "faults::what_is_not_as_it_was_answered_is_found",
            wrong_sessions,
        ),
        trial(stage, "faults::what_belongs_to_no_session_is_found", left_behind),
    ]
}

const TTL: Duration = Duration::from_secs(600);

/// A server with a session, of which all is known.
struct Order {
    scene: Scene,
    ledger: Ledger,
    id: SessionId,
}

impl Order {
    async fn new() -> Self {
        let (scene, ledger) = (Scene::open().unwrap(), Ledger::default());
        let number = ledger.creation(None, TTL);
        let session = creation(&scene.client(), number, TTL).await.unwrap();
        ledger.made(number, session.id(), session.expires_at());
        let id = session.id();
        session.upload_file(FILE, content(7)).await.unwrap();
        ledger.change(id, |account| account.content.told(Some(7)));
        let order = Self { scene, ledger, id };
        assert_eq!(order.audit().await, BTreeSet::new());
        order
    }

    async fn audit(&self) -> BTreeSet<Finding> {
        audit(&self.scene, &self.ledger).await
    }

    #[track_caller]
    fn assert_one(&self, findings: &BTreeSet<Finding>, expected: &Finding) {
        assert!(
            findings.len() == 1 && findings.contains(expected),
            "{expected:?} is not all of {findings:#?}"
        );
    }

    /// Everything that the audit would find at the end of its patience.
    fn strays(&self) -> BTreeSet<Stray> {
        let sessions = BTreeSet::from([self.id.to_string()]);
        let mut heard_of: BTreeSet<_> = self.ledger.accounts().keys().map(SessionId::to_string).collect();
        heard_of.extend(self.scene.found.iter().cloned());
        strays(&self.scene, &sessions, &heard_of)
    }

    #[track_caller]
    fn assert_stray(&self, is_expected: impl Fn(&Stray) -> bool) {
        let strays = self.strays();
        assert!(strays.len() == 1 && strays.iter().all(is_expected), "{strays:#?}");
    }

    /// A session that there was once.
    fn gone(&mut self) -> String {
        let id = "550e8400-e29b-41d4-a716-446655440000".to_owned();
        self.scene.found.insert(id.clone());
        id
    }
}

async fn wrong_sessions(stage: Arc<Stage>) {
    let mut order = Order::new().await;
    let id = order.id;
    let client = order.scene.client();

    // The server has lost a session.
    let lost: SessionId = "550e8400-e29b-41d4-a716-446655440000".parse().unwrap();
    let number = order.ledger.creation(None, TTL);
    order
        .ledger
        .made(number, lost, Utc::now() + TimeDelta::seconds(600));
    order.assert_one(&order.audit().await, &Finding::Missing(lost));

    // It has made two sessions for one creation, and one that nobody asked for.
    let twice = creation(&client, 0, TTL).await.unwrap();
    let unasked = client.create_session().await.unwrap();
    let findings = order.audit().await;
    let are_surprises = findings
        .iter()
        .all(|finding| matches!(finding, Finding::Surprise(_)));
    assert!(findings.len() == 2 && are_surprises, "{findings:#?}");
    for session in [twice, unasked] {
        session.delete().await.unwrap();
        order
            .ledger
            .change(session.id(), |account| account.is_there.told(false));
    }

    // What was deleted is back, and so is what has expired.
    order.ledger.change(id, |account| account.is_there.told(false));
    order.assert_one(&order.audit().await, &Finding::StillThere(id));
    let expires_at = order.ledger.accounts()[&id].expires_at;
    order.ledger.change(id, |account| account.expires_at = Utc::now());
    order.assert_one(&order.audit().await, &Finding::StillThere(id));
    order.ledger.change(id, |account| account.expires_at = expires_at);

    // A file is half the one that was uploaded, and another one.
    client
        .run_command(&id, format!("truncate -s 1000 {FILE}"))
        .await
        .unwrap();
    let half = order.audit().await;
    assert!(
        matches!(half.first(), Some(Finding::OtherContent(..))) && half.len() == 1,
        "{half:#?}"
    );
    client
        .upload_file(&id, FILE, content(8))
        .overwrite(true)
        .await
        .unwrap();
    let other = order.audit().await;
    assert!(
        matches!(other.first(), Some(Finding::OtherContent(..))) && other.len() == 1,
        "{other:#?}"
    );
    order.ledger.change(id, |account| account.content.told(Some(8)));

    // What was paused runs, and what runs according to the API stands still.
    order.ledger.change(id, |account| account.is_paused.told(true));
    order.assert_one(&order.audit().await, &Finding::OtherState(id));
    order.ledger.change(id, |account| account.is_paused.told(false));
    if stage.can_pause {
        let freezer = freezer_path(&order.scene.session(&id.to_string())).expect("it can be paused");
        std::fs::write(&freezer, "1").unwrap();
        order.assert_one(&order.audit().await, &Finding::FalseState(id));
        std::fs::write(&freezer, "0").unwrap();
    }
    assert_eq!(order.audit().await, BTreeSet::new());

    // A session is there and does not answer.
    order.scene.kill();
    let directory = order.scene.session(&id.to_string());
    std::fs::remove_file(directory.join("agent.sock")).unwrap();
    order.scene.start().unwrap();
    order.assert_one(&order.audit().await, &Finding::Silent(id));

    // Its sandbox has died.
    kill(order.scene.first_process(&id.to_string()).unwrap());
    while directory.exists() {
        sleep(Duration::from_millis(20)).await;
    }
    order.assert_one(&order.audit().await, &Finding::Missing(id));
}

async fn left_behind(_: Arc<Stage>) {
    let mut order = Order::new().await;
    let gone = order.gone();
    assert_eq!(order.strays(), BTreeSet::new());

    let sessions = order.scene.state().join("sessions");
    for directory in [
        sessions.join(&gone),
        order.scene.session(&order.id.to_string()).join("x"),
        sessions.join("../x"),
    ] {
        std::fs::create_dir(&directory).unwrap();
        order.assert_stray(|stray| matches!(stray, Stray::File(_)));
        std::fs::remove_dir(&directory).unwrap();
    }

    let mut agent = Command::new("sleep").arg0("sandbox").arg("600").spawn().unwrap();
    order.assert_stray(|stray| matches!(stray, Stray::Process(_)));
    agent.kill().unwrap();
    agent.wait().unwrap();

    // A sandbox of which nothing is written down.
    let record = order.scene.session(&order.id.to_string()).join("record.json");
    let elsewhere = record.with_extension("json.new");
    std::fs::rename(&record, &elsewhere).unwrap();
    order.assert_stray(|stray| matches!(stray, Stray::Process(_)));
    std::fs::rename(&elsewhere, &record).unwrap();

    // What a command has left in a session.
    let client = order.scene.client();
    client
        .run_command(&order.id, "setsid sleep 600 >/dev/null 2>&1 &")
        .await
        .unwrap();
    // Where there are no control groups, it has a supervisor.
    let strays = order.strays();
    let is_sleep = |stray: &Stray| matches!(stray, Stray::Process(process) if process.contains("sleep 600"));
    assert!(strays.len() <= 2 && strays.iter().any(is_sleep), "{strays:#?}");
    client.run_command(&order.id, "pkill -x sleep").await.unwrap();

    let elsewhere = tempfile::tempdir().unwrap();
    let socket = UnixListener::bind(elsewhere.path().join(&gone)).unwrap();
    order.assert_stray(|stray| matches!(stray, Stray::Socket(_)));
    drop(socket);

    cgroup(&order, &gone);
    mount(&order, &elsewhere.path().join(format!("{gone}-mounted")));
    assert_eq!(order.audit().await, BTreeSet::new());
}

fn cgroup(order: &Order, gone: &str) {
    let own = format!("sandbox-{}", order.id);
    let Some(group) = traces::cgroups().into_iter().find(|group| group.ends_with(&own)) else {
        println!("skipped: this user may make no control groups, so none can be left");
        return;
    };
    let server = order.scene.servers.first().expect("a server");
    for name in [format!("sandbox-{gone}"), format!("trial-{server}-99")] {
        let group = group.with_file_name(name);
        std::fs::create_dir(&group).unwrap();
        order.assert_stray(|stray| matches!(stray, Stray::Cgroup(_)));
        std::fs::remove_dir(&group).unwrap();
    }
}

fn mount(order: &Order, at: &Path) {
    std::fs::create_dir(at).unwrap();
    if let Err(error) = rustix::mount::mount("none", at, "tmpfs", MountFlags::empty(), None::<&CStr>) {
        println!("skipped: this user may mount nothing ({error}), so no mount can be left");
        return;
    }
    let strays = order.strays();
    unmount(at, UnmountFlags::DETACH).unwrap();
    assert!(
        strays.len() == 1 && matches!(strays.first(), Some(Stray::Mount(_))),
        "{strays:#?}"
    );
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process");
    kill_process(pid, Signal::KILL).expect("it is ours");
}

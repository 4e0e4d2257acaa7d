//! What was answered for, beside what the API says, what the sessions say, and what is on the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures_util::future;
use sandbox_sessions::{Session, SessionId, SessionStatus, SessionsClient};
use tokio::time::{Instant, sleep};

use crate::ledger::{Account, Ledger};
use crate::load::{FILE, LINES};
use crate::scene::Scene;
use crate::strays::{Stray, strays};

/// Longer than the kernel takes to end what has lost its server, on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A session that ends within so short a time need not answer any more.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finding {
    /// It was answered for, and is not there.
    Missing(SessionId),
    /// It was deleted, or its time is over.
    StillThere(SessionId),
    /// It was paused and now runs, or the other way round.
    OtherState(SessionId),
    /// Its state is not what the API says.
    FalseState(SessionId),
    /// It is there, and of no use.
    Silent(SessionId),
    /// A file is not the one that was uploaded.
    OtherContent(SessionId, String),
    /// Something belongs to no session.
    Stray(Stray),
    /// An answer that nobody should have got.
    Surprise(String),
}

/// Everything that is not as it should be. What was not known before is known afterwards.
pub(crate) async fn audit(scene: &Scene, ledger: &Ledger) -> BTreeSet<Finding> {
    let client = scene.client();
    let before = Utc::now();
    let listed = list(&client).await;
    let mut findings = BTreeSet::new();
    for session in listed.values() {
        let number = session
            .metadata()
            .get("number")
            .and_then(serde_json::Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok());
        ledger.made(number.unwrap_or(usize::MAX), session.id(), session.expires_at());
    }
    for (id, account) in ledger.accounts() {
        let session = listed.get(&id);
        if session.is_none() && account.is_there.is(&true) && account.expires_at > Utc::now() {
            findings.insert(Finding::Missing(id));
        }
        if session.is_some() && (account.is_there.is(&false) || account.expires_at <= before) {
            findings.insert(Finding::StillThere(id));
        }
        ledger.change(id, |account| account.is_there.told(session.is_some()));
    }
    let accounts = ledger.accounts();
    let lasting = listed
        .values()
        .filter(|session| session.expires_at() > Utc::now() + MARGIN);
    let looks = lasting.map(|session| look(scene, &client, ledger, session, &accounts[&session.id()]));
    findings.extend(future::join_all(looks).await.into_iter().flatten());
    findings.extend(
        leftovers(scene, ledger, &client)
            .await
            .into_iter()
            .map(Finding::Stray),
    );
    findings.extend(ledger.take_surprises().into_iter().map(Finding::Surprise));
    findings
}

async fn list(client: &SessionsClient) -> BTreeMap<SessionId, Session> {
    let page = client.list_sessions().limit(100).await.expect("a page");
    assert_eq!(
        page.total(),
        page.sessions().len() as u64,
        "all of them are on one page"
    );
    page.sessions()
        .iter()
        .map(|session| (session.id(), session.clone()))
        .collect()
}

/// Looks at one session, which runs afterwards.
async fn look(
    scene: &Scene,
    client: &SessionsClient,
    ledger: &Ledger,
    session: &Session,
    account: &Account,
) -> Option<Finding> {
    let id = session.id();
    let is_paused = *session.status() == SessionStatus::Paused;
    if !account.is_paused.allows(&is_paused) {
        return Some(Finding::OtherState(id));
    }
    if freezer(&scene.session(&id.to_string())).is_some_and(|frozen| frozen != is_paused) {
        return Some(Finding::FalseState(id));
    }
    if is_paused && client.resume_session(&id).await.is_err() {
        return Some(Finding::Silent(id));
    }
    ledger.change(id, |account| account.is_paused.told(false));
    let shown = client
        .run_command(&id, format!("cat {FILE} 2>/dev/null | uniq -c"))
        .await;
    let shown = match shown {
        Ok(result) if result.success() => result.stdout().to_owned(),
        Ok(_) | Err(_) => return Some(Finding::Silent(id)),
    };
    match parse(&shown).filter(|content| account.content.allows(content)) {
        Some(content) => {
            ledger.change(id, |account| account.content.told(content));
            None
        }
        None => Some(Finding::OtherContent(id, shown.chars().take(100).collect())),
    }
}

/// The number in all lines of a file, if there is one; `None` for a file that nobody has uploaded.
fn parse(counted: &str) -> Option<Option<u32>> {
    let mut words = counted.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Some(None),
        (Some(lines), Some(number), None) if lines == LINES.to_string() => number.parse().ok().map(Some),
        _ => None,
    }
}

/// Whether the processes of a session's user are stopped; `None` where the host cannot do that.
fn freezer(session: &Path) -> Option<bool> {
    let path = freezer_path(session)?;
    Some(std::fs::read_to_string(path).ok()?.trim() == "1")
}

/// What stops them, as the session's record names it.
pub(crate) fn freezer_path(session: &Path) -> Option<PathBuf> {
    let record = std::fs::read(session.join("record.json")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&record).ok()?;
    let groups = record["sandbox"]["group"]["directories"].as_array()?;
    let groups = groups.iter().filter_map(|group| group[1].as_str());
    let mut paths = groups.map(|group| Path::new(group).join("user/cgroup.freeze"));
    paths.find(|path| path.exists())
}

/// What belongs to no session, when everything that is on its way out has had the time to go.
async fn leftovers(scene: &Scene, ledger: &Ledger, client: &SessionsClient) -> BTreeSet<Stray> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let sessions = list(client).await.keys().map(SessionId::to_string).collect();
        let mut heard_of: BTreeSet<_> = ledger.accounts().keys().map(SessionId::to_string).collect();
        heard_of.extend(scene.found.iter().cloned());
        let strays = strays(scene, &sessions, &heard_of);
        if strays.is_empty() || Instant::now() > deadline {
            return strays;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

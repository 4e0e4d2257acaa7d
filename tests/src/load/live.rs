//! As many sessions as a server is to hold, all of them alive at the same time.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use sandbox_sessions::{Session, SessionsClient};
use tokio::time::{Instant, sleep};

use super::Target;
use super::mix::{self, TTL};
use super::usage::Figures;

/// How many are made, used and deleted at the same time.
const AT_ONCE: usize = 8;

/// Made and deleted beforehand, so that the server has what it needs for the first.
const BEFORE: usize = 32;

/// Bytes of its own that a server may take for a session.
const PER_SESSION: u64 = 64 << 10;

/// Bytes that a session takes of the machine, twice over.
const MACHINE_PER_SESSION: u64 = 4 << 20;

/// Descriptors that a server may need for a session: three, and as many of a client's as there are requests.
const DESCRIPTORS_PER_SESSION: u64 = 4;

/// How many sessions there are to be.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// So many.
    pub sessions: usize,
    /// How long what is on its way out may take to go.
    pub patience: Duration,
}

impl Live {
    /// Why this user cannot have so many on this machine.
    pub fn obstacle(&self) -> Option<String> {
        let sessions = self.sessions as u64;
        let descriptors = super::raise_descriptor_limit();
        let memory = available_memory();
        let namespaces = number("/proc/sys/user/max_user_namespaces");
        let wanted = [
            (
                "open files of a process",
                descriptors,
                sessions * DESCRIPTORS_PER_SESSION + 200,
            ),
            ("bytes of memory", memory, sessions * MACHINE_PER_SESSION),
            ("user namespaces", namespaces, 2 * sessions),
        ];
        let short = wanted.into_iter().find(|(_, found, wanted)| found < wanted);
        short.map(|(what, found, wanted)| {
            format!("{sessions} sessions take {wanted} {what}, and there may be {found}")
        })
    }
}

/// Makes the sessions, uses each, and deletes them; answers what did not hold.
pub async fn live(target: Target, live: Live) -> Vec<String> {
    let Live { sessions, patience } = live;
    let client = || mix::client(target.url(), target.token()).expect("an address and a token");
    let figures = || target.process().map(Figures::of);
    let mut failures = Vec::new();
    delete(create(&client(), BEFORE).await).await;
    let before = figures();
    show("before", before);

    let start = Instant::now();
    let made = create(&client(), sessions).await;
    println!(
        "{} sessions in {:.1} s",
        made.len(),
        start.elapsed().as_secs_f64()
    );
    let after_creation = figures();
    show("all made", after_creation);
    if made.len() != sessions {
        failures.push(format!("{} of {sessions} sessions could be made", made.len()));
    }
    let start = Instant::now();
    let answers = stream::iter(&made).map(answers).buffer_unordered(AT_ONCE);
    let silent = answers
        .filter(|answers| std::future::ready(!answers))
        .count()
        .await;
    println!("all asked in {:.1} s", start.elapsed().as_secs_f64());
    let after_use = figures();
    show("all asked", after_use);
    if silent > 0 {
        failures.push(format!("{silent} of {sessions} sessions did not answer"));
    }
    if let (Some(before), Some(made), Some(used)) = (before, after_creation, after_use) {
        let most = made
            .server
            .memory
            .max(used.server.memory)
            .saturating_sub(before.server.memory);
        let each = most / sessions.max(1) as u64;
        println!("the server took {each} bytes for each, at most {PER_SESSION}");
        if each >= PER_SESSION {
            failures.push(format!("the server took {each} bytes for each session"));
        }
    }
    let start = Instant::now();
    delete(made).await;
    println!("all deleted in {:.1} s", start.elapsed().as_secs_f64());
    if let Some(before) = before {
        failures.extend(left(&target, &before, patience).await);
    }
    show("after", figures());
    target.stop();
    failures
}

async fn create(client: &SessionsClient, count: usize) -> Vec<Session> {
    let made = stream::iter(0..count).map(|_| client.create_session().ttl(TTL).into_future());
    let made: Vec<_> = made.buffer_unordered(AT_ONCE).collect().await;
    let (made, failed): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    if let Some(Err(error)) = failed.first() {
        println!("{} could not be made, the first one for: {error}", failed.len());
    }
    made.into_iter().flatten().collect()
}

async fn answers(session: &Session) -> bool {
    let result = session.run_command("echo $((6 * 7))").await;
    result.is_ok_and(|result| result.stdout() == "42\n")
}

async fn delete(sessions: Vec<Session>) {
    let deleted = stream::iter(&sessions).map(|session| session.delete().into_future());
    let failed = deleted
        .buffer_unordered(AT_ONCE)
        .filter(|deleted| std::future::ready(deleted.is_err()));
    assert_eq!(failed.count().await, 0, "every session can be deleted");
}

/// What the server still has of sessions that are gone.
async fn left(target: &Target, before: &Figures, patience: Duration) -> Option<String> {
    let deadline = Instant::now() + patience;
    loop {
        let now = target.process().map(Figures::of)?;
        let more = now.server.descriptors > before.server.descriptors;
        if now.sessions == 0 && !more {
            return None;
        }
        if Instant::now() > deadline {
            let counts = (now.sessions, now.server.descriptors, before.server.descriptors);
            return Some(format!(
                "sandboxes, descriptors, and descriptors before: {counts:?}"
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn show(when: &str, figures: Option<Figures>) {
    if let Some(figures) = figures {
        println!("{when:12} {figures}");
    }
}

fn number(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or(u64::MAX)
}

fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kibibytes.map_or(u64::MAX, |kibibytes| kibibytes * 1024)
}

//! A time of mixed load between two moments of calm, at which the figures are compared.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::stream::{self, StreamExt};
use sandbox_sessions::{Session, SessionId, SessionsClient};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Target;
use super::mix::{self, TTL, User};
use super::statistics::Statistics;
use super::usage::Figures;
use super::verdict::{Comparison, compare, compare_ended};

/// How many things are done at once where nothing is measured.
const AT_ONCE: usize = 8;

/// How long figures have to stay the same to be believed: longer than a server keeps connections to agents that nobody
/// uses, and threads.
const CALM: Duration = Duration::from_secs(13);

/// Where they never do, they are believed after this time.
const LONGEST_CALM: Duration = Duration::from_secs(30);

/// What to do, and for how long.
#[derive(Clone, Debug)]
pub struct Soak {
    /// How long the figures are given to change.
    pub time: Duration,
    /// Sessions that are there all the time.
    pub sessions: usize,
    /// How many make requests at the same time.
    pub users: usize,
    /// How many use tunnels at the same time.
    pub tunnels: usize,
    /// How many lines of figures are printed meanwhile.
    pub lines: u32,
    /// How long what is on its way out may take to go.
    pub patience: Duration,
    /// What the order of things comes from.
    pub seed: u64,
}

/// Loads the server, prints what happens, and answers what went wrong, or is not as it was before.
pub async fn soak(target: Target, soak: &Soak) -> Vec<String> {
    let mut random = Rng::with_seed(soak.seed);
    let place = Place::open(target, soak).await;
    println!("{}", place.figures("with the sessions made"));

    let warm = Arc::new(Statistics::default());
    place.everything(&warm).await;
    place.load(soak, soak.time / 5, &warm, &mut random).await;
    let before = place.calm().await;
    println!("{}", place.figures("warmed up, and calm"));

    let statistics = Arc::new(Statistics::default());
    let watch = place.watch(soak);
    place.load(soak, soak.time, &statistics, &mut random).await;
    watch.abort();
    println!("\n{}", statistics.table(soak.time));

    let mut failures = Vec::new();
    if warm.errors() + statistics.errors() > 0 {
        failures.push(format!("operations failed\n{}", warm.table(soak.time / 5)));
    }
    let creations = statistics.count("create");
    let compared = place.compared(before, creations, soak.patience).await;
    let ended = place.end(soak.patience).await;
    for comparison in compared.into_iter().chain(ended) {
        println!("{comparison}");
        if !comparison.holds() {
            failures.push(comparison.to_string());
        }
    }
    failures
}

/// A server, and the sessions that are there all the time.
struct Place {
    target: Target,
    /// Of the server, before it had these sessions.
    bare: Option<Figures>,
    sessions: Vec<SessionId>,
    can_pause: bool,
}

impl Place {
    async fn open(target: Target, soak: &Soak) -> Self {
        let mut place = Self {
            target,
            bare: None,
            sessions: Vec::new(),
            can_pause: false,
        };
        // From the second one on, a server has all that it keeps for the next.
        for _ in 0..2 {
            let mut session = place.client().create_session().ttl(TTL).await.expect("a session");
            place.can_pause = session.pause().await.is_ok();
            session.delete().await.expect("it is deleted");
        }
        place.bare = place.target.process().map(Figures::of);
        let client = place.client();
        let made = stream::iter(0..soak.sessions).map(|_| client.create_session().ttl(TTL).into_future());
        let made = made.buffer_unordered(AT_ONCE);
        place.sessions = made.map(|made| made.expect("a session").id()).collect().await;
        place
    }

    /// A client of its own: when it is dropped, so are its connections.
    fn client(&self) -> SessionsClient {
        mix::client(self.target.url(), self.target.token()).expect("an address and a token")
    }

    async fn user(&self, statistics: &Arc<Statistics>) -> User {
        let client = self.client();
        let residents = self
            .sessions
            .iter()
            .map(|id| client.get_session(id).into_future());
        let residents: Vec<Session> = stream::iter(residents)
            .buffer_unordered(AT_ONCE)
            .map(|session| session.expect("it is there"))
            .collect()
            .await;
        User {
            client,
            residents: residents.into(),
            statistics: statistics.clone(),
            can_pause: self.can_pause,
        }
    }

    async fn everything(&self, statistics: &Arc<Statistics>) {
        let user = self.user(statistics).await;
        let each = user.residents.iter().map(|resident| user.everything(resident));
        stream::iter(each).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    async fn load(&self, soak: &Soak, time: Duration, statistics: &Arc<Statistics>, random: &mut Rng) {
        let user = self.user(statistics).await;
        mix::work(user, soak.users, soak.tunnels, random, Instant::now() + time).await;
    }

    /// Waits until nothing changes any more.
    async fn calm(&self) -> Option<Figures> {
        let server = self.target.process()?;
        let deadline = Instant::now() + LONGEST_CALM;
        let mut figures = Figures::of(server);
        let mut since = Instant::now();
        while since.elapsed() < CALM && Instant::now() < deadline {
            sleep(Duration::from_millis(100)).await;
            let now = Figures::of(server);
            if now.counts() != figures.counts() {
                since = Instant::now();
            }
            figures = now;
        }
        Some(figures)
    }

    /// The figures beside those of an earlier moment of calm, as soon as they are no larger.
    async fn compared(&self, before: Option<Figures>, creations: u64, patience: Duration) -> Vec<Comparison> {
        let (Some(before), Some(server)) = (before, self.target.process()) else {
            return Vec::new();
        };
        let mut after = Figures::of(server);
        let deadline = Instant::now() + patience;
        loop {
            let compared = compare(&before, &after, creations);
            if compared.iter().all(Comparison::holds) || Instant::now() > deadline {
                return compared;
            }
            sleep(Duration::from_millis(200)).await;
            after = Figures::of(server);
        }
    }

    /// Deletes the sessions, and compares what is left with what was there before them.
    async fn end(mut self, patience: Duration) -> Vec<Comparison> {
        let client = self.client();
        let deleted = self
            .sessions
            .iter()
            .map(|id| client.delete_session(id).into_future());
        let deleted: Vec<_> = stream::iter(deleted).buffer_unordered(AT_ONCE).collect().await;
        let deleted = deleted.into_iter().filter(Result::is_ok).count();
        drop(client);
        assert_eq!(deleted, self.sessions.len(), "every session can be deleted");
        self.sessions.clear();
        let mut compared = Vec::new();
        if let (Some(bare), Some(server)) = (self.bare, self.target.process()) {
            let deadline = Instant::now() + patience;
            loop {
                compared = compare_ended(&bare, &Figures::of(server));
                if compared.iter().all(Comparison::holds) || Instant::now() > deadline {
                    break;
                }
                sleep(Duration::from_millis(200)).await;
            }
        }
        self.target.stop();
        compared
    }

    fn figures(&self, when: &str) -> String {
        let figures = self.target.process().map(Figures::of);
        figures.map_or_else(String::new, |figures| format!("{when:24} {figures}"))
    }

    /// Prints the figures from time to time.
    fn watch(&self, soak: &Soak) -> JoinHandle<()> {
        let (server, every) = (self.target.process(), soak.time / soak.lines.max(1));
        tokio::spawn(async move {
            let Some(server) = server else { return };
            let start = Instant::now();
            loop {
                sleep(every).await;
                println!(
                    "{:>20.0} s    {}",
                    start.elapsed().as_secs_f64(),
                    Figures::of(server)
                );
            }
        })
    }
}

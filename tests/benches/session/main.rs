//! What a session costs, beside what else this machine offers, in one run.
//!
//! `cargo bench -p contract-tests` prints medians, ratios and the machine's load. With `-- --check` it fails when a
//! ratio is beyond its bound. Peers that are not installed are named and left out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a tap would be measured, too")]

mod memory;
mod peers;

use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::{Session, SessionsClient};
use secrecy::ExposeSecret;
use tokio::runtime::Runtime;

use crate::peers::Peer;

const ROUNDS: usize = 60;
/// A container engine is two orders of magnitude slower: it takes part in every third round, all along, since a
/// machine is not as fast at all times.
const SLOW_EVERY: usize = 3;
const IDLE_SESSIONS: usize = 200;

const MOST_TIMES_BWRAP: f64 = 2.5;
const LEAST_TIMES_FASTER_THAN_PODMAN: f64 = 15.0;
const MOST_ABOVE_FORK_AND_EXEC: Duration = Duration::from_millis(3);
const MOST_BYTES_IDLE: u64 = 2 << 20;

struct Bench {
    /// The client's: one thread that makes one request after the other, as a program does that awaits.
    runtime: Runtime,
    /// The server's, as in `sandbox serve`.
    hosting: Runtime,
    client: SessionsClient,
    server: Server,
    failures: Vec<String>,
}

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let check = std::env::args().any(|argument| argument == "--check");
    let mut bench = Bench::start();
    println!(
        "load {}",
        std::fs::read_to_string("/proc/loadavg").expect("a load").trim()
    );
    bench.whole_session();
    bench.further_command();
    bench.idle_memory();
    println!(
        "load {}",
        std::fs::read_to_string("/proc/loadavg").expect("a load").trim()
    );
    let failures = bench.stop();
    for failure in &failures {
        println!("beyond its bound: {failure}");
    }
    ExitCode::from(u8::from(check && !failures.is_empty()))
}

impl Bench {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let hosting = tokio::runtime::Builder::new_multi_thread()
            .worker_threads((available_parallelism().map_or(1, NonZero::get) / 2).max(1))
            .enable_all()
            .build()
            .expect("a runtime");
        let token = Tokens::generate();
        let config = ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir())
            .lifetime(Lifetime::Ephemeral)
            .rate_limit(NonZero::<u32>::MAX)
            .max_sessions(IDLE_SESSIONS + 10)
            .max_sessions_per_owner(IDLE_SESSIONS + 10);
        let server = hosting.block_on(Server::start(config)).expect("a server");
        let client = SessionsClient::new(server.url(), token.secret().expose_secret()).expect("a client");
        Self {
            runtime,
            hosting,
            client,
            server,
            failures: Vec::new(),
        }
    }

    fn stop(self) -> Vec<String> {
        self.hosting.block_on(self.server.shutdown());
        self.failures
    }

    /// Create, run `true`, delete, each a request; rounds alternate with the peers' own.
    fn whole_session(&mut self) {
        let peers: Vec<_> = [Peer::bwrap(), Peer::podman()].into_iter().flatten().collect();
        let mut stages: [Vec<Duration>; 3] = Default::default();
        let mut ours = Vec::new();
        let mut theirs: Vec<Vec<Duration>> = peers.iter().map(|_| Vec::new()).collect();
        for round in 0..ROUNDS {
            let times = self.runtime.block_on(one_session(&self.client));
            ours.push(times.iter().sum());
            stages
                .iter_mut()
                .zip(times)
                .for_each(|(stage, time)| stage.push(time));
            for (peer, times) in peers.iter().zip(&mut theirs) {
                if !peer.slow || round % SLOW_EVERY == 0 {
                    times.push(timed(|| peer.run()));
                }
            }
        }
        let ours = median(ours);
        println!("create + true + delete over HTTP   {}", milliseconds(ours));
        for (name, times) in ["create", "true", "delete"].into_iter().zip(stages) {
            println!("    {name:30} {}", milliseconds(median(times)));
        }
        for (peer, times) in peers.iter().zip(theirs) {
            let theirs = median(times);
            let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
            println!(
                "{:34} {}   ours takes {ratio:.3} of it",
                peer.name,
                milliseconds(theirs)
            );
            let most = if peer.slow {
                1.0 / LEAST_TIMES_FASTER_THAN_PODMAN
            } else {
                MOST_TIMES_BWRAP
            };
            self.bound(
                ratio <= most,
                format!("{ratio:.3} of {}, at most {most:.3}", peer.name),
            );
        }
    }

    /// `true` in a session that is there already, beside `fork` and `exec` here.
    fn further_command(&mut self) {
        let session = self
            .runtime
            .block_on(async { self.client.create_session().await.expect("a session") });
        let mut ours = Vec::new();
        let mut floor = Vec::new();
        for _ in 0..ROUNDS {
            ours.push(timed(|| self.runtime.block_on(run_true(&session))));
            floor.push(timed(|| Peer::fork_and_exec().run()));
        }
        self.runtime
            .block_on(async { session.delete().await.expect("it is deleted") });
        let (ours, floor) = (median(ours), median(floor));
        let above = ours.saturating_sub(floor);
        println!("true in a running session          {}", milliseconds(ours));
        println!(
            "fork + exec of true                {}   ours is {} above",
            milliseconds(floor),
            milliseconds(above)
        );
        self.bound(
            above < MOST_ABOVE_FORK_AND_EXEC,
            format!("{} above fork + exec", milliseconds(above)),
        );
    }

    fn idle_memory(&mut self) {
        let before = memory::proportional_set_size();
        let sessions: Vec<_> = (0..IDLE_SESSIONS)
            .map(|_| {
                self.runtime
                    .block_on(async { self.client.create_session().await.expect("a session") })
            })
            .collect();
        let each = (memory::proportional_set_size() - before) / IDLE_SESSIONS as u64;
        println!(
            "{IDLE_SESSIONS} idle sessions, each             {} KiB of PSS, the server's share included",
            each >> 10
        );
        self.bound(
            each < MOST_BYTES_IDLE,
            format!("{each} bytes for an idle session"),
        );
        for session in sessions {
            self.runtime
                .block_on(async { session.delete().await.expect("it is deleted") });
        }
    }

    fn bound(&mut self, holds: bool, failure: String) {
        if !holds {
            self.failures.push(failure);
        }
    }
}

/// How long each of the three requests takes.
async fn one_session(client: &SessionsClient) -> [Duration; 3] {
    let start = Instant::now();
    let session = client.create_session().await.expect("a session");
    let created = start.elapsed();
    run_true(&session).await;
    let ran = start.elapsed();
    session.delete().await.expect("it is deleted");
    [created, ran - created, start.elapsed() - ran]
}

async fn run_true(session: &Session) {
    let result = session.run_command("true").await.expect("it runs");
    assert_eq!(result.exit_code(), Some(0), "{result:?}");
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().expect("at least one round")
}

fn milliseconds(time: Duration) -> String {
    format!("{:8.2} ms", time.as_secs_f64() * 1e3)
}

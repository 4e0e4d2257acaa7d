//! What the SDK costs above the HTTP client beneath it, and beside what a Python program does, in one run.
//!
//! `cargo bench -p contract-tests --bench client` prints medians, ratios and the machine's load. With `-- --check` it
//! fails when a ratio is beyond its bound. A Python without `requests` is named and left out.
//!
//! All clients ask one server for the same session, over connections that stay open, and share one processor to which
//! they are pinned; the server is pinned to another. The SDK and the bare client have one thread. One call after the
//! other shows what a call costs its caller; many at a time show how many calls one processor can make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a tap would be measured, too")]

mod pinning;
mod python;

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use sandbox_server::{Lifetime, Server, ServerConfig, Tokens};
use sandbox_sessions::{SessionId, SessionsClient};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::pinning::Processors;
use crate::python::{Python, Way};

/// Rounds of each client, which take turns, so that what else the machine does hits both alike.
const ROUNDS: usize = 200;
const CALLS: u32 = 128;
/// How many calls are under way when the client's processor is to have no rest.
const AT_ONCE: usize = 32;
/// Rounds of the SDK and Python, whose calls take longer.
const PYTHON_ROUNDS: usize = 40;

const MOST_TIMES_BARE: f64 = 1.10;
const LEAST_TIMES_PYTHON: f64 = 5.0;

struct Bench {
    /// The clients': this thread.
    runtime: Runtime,
    hosting: Runtime,
    server: Server,
    token: String,
    failures: Vec<String>,
}

/// The same question, asked in two ways.
struct Clients {
    sdk: SessionsClient,
    id: SessionId,
    bare: reqwest::Client,
    url: String,
    token: String,
}

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let check = std::env::args().any(|argument| argument == "--check");
    let processors = Processors::of_this_process();
    println!("{processors}");
    load();
    let mut bench = Bench::start(&processors);
    bench.measure();
    load();
    let failures = bench.stop();
    for failure in &failures {
        println!("beyond its bound: {failure}");
    }
    ExitCode::from(u8::from(check && !failures.is_empty()))
}

fn load() {
    let load = std::fs::read_to_string("/proc/loadavg").expect("a load");
    println!("load {}", load.trim());
}

impl Bench {
    fn start(processors: &Processors) -> Self {
        let servers = processors.server();
        let hosting = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(move || servers.pin_this_thread())
            .enable_all()
            .build()
            .expect("a runtime");
        let token = Tokens::generate();
        let config = ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir())
            .lifetime(Lifetime::Ephemeral)
            .rate_limit(NonZeroU32::MAX);
        let server = hosting.block_on(Server::start(config)).expect("a server");
        // From here on this thread, and the Python that it starts, are the clients.
        processors.client().pin_this_thread();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            runtime,
            hosting,
            server,
            token: token.secret().expose_secret().to_owned(),
            failures: Vec::new(),
        }
    }

    fn stop(self) -> Vec<String> {
        self.hosting.block_on(self.server.shutdown());
        self.failures
    }

    fn measure(&mut self) {
        let sdk = SessionsClient::new(self.server.url(), self.token.as_str()).expect("a client");
        let session = self
            .runtime
            .block_on(async { sdk.create_session().await.expect("a session") });
        let clients = Clients {
            id: session.id(),
            sdk,
            bare: reqwest::Client::builder().no_proxy().build().expect("a client"),
            url: format!("{}/sessions/{}", self.server.url(), session.id()),
            token: self.token.clone(),
        };
        self.beside_bare(&clients, 1);
        self.beside_bare(&clients, AT_ONCE);
        if let Err(reason) = self.beside_python(&clients) {
            println!("Python with requests       left out: {reason}");
        }
        self.runtime
            .block_on(async { session.delete().await.expect("it is deleted") });
    }

    fn beside_bare(&mut self, clients: &Clients, at_once: usize) {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let (sdk, http) = self.runtime.block_on(async {
                // Whoever comes first in a round may profit or suffer from it.
                if round % 2 == 0 {
                    let sdk = timed(at_once, || clients.with_sdk()).await;
                    (sdk, timed(at_once, || clients.with_bare_client()).await)
                } else {
                    let http = timed(at_once, || clients.with_bare_client()).await;
                    (timed(at_once, || clients.with_sdk()).await, http)
                }
            });
            // The first round opens the connections.
            if round > 0 {
                ours.push(sdk);
                bare.push(http);
            }
        }
        let ratio = times(&ours, &bare);
        let (ours, bare) = (median(ours), median(bare));
        println!("get_session, calls under way: {at_once}");
        println!("    bare reqwest           {}", rate(bare));
        println!("    the SDK                {}   {ratio:.3} of it", rate(ours));
        self.bound(
            ratio <= MOST_TIMES_BARE,
            format!("{ratio:.3} of a bare call with {at_once} under way, at most {MOST_TIMES_BARE}"),
        );
    }

    /// Python makes its calls in the better of two ways.
    fn beside_python(&mut self, clients: &Clients) -> Result<(), String> {
        let mut python = Python::start(&clients.url, &clients.token)?;
        let (mut alone, mut at_once) = (Vec::new(), Vec::new());
        let (mut one_thread, mut eight_threads) = (Vec::new(), Vec::new());
        for _ in 0..PYTHON_ROUNDS {
            one_thread.push(python.time_of_a_call(Way::OneThread, CALLS)?);
            alone.push(self.runtime.block_on(timed(1, || clients.with_sdk())));
            eight_threads.push(python.time_of_a_call(Way::EightThreads, CALLS)?);
            at_once.push(self.runtime.block_on(timed(AT_ONCE, || clients.with_sdk())));
        }
        println!("Python with requests");
        println!("    one thread             {}", rate(median(one_thread.clone())));
        println!(
            "    eight threads          {}",
            rate(median(eight_threads.clone()))
        );
        let beside = |mode: &str, ours: Vec<Duration>| {
            let times = times(&one_thread, &ours).min(times(&eight_threads, &ours));
            println!(
                "    the SDK                {}   {times:.1} times its calls, {mode}",
                rate(median(ours))
            );
            times
        };
        // Most of this time the processor waits for the server, whoever calls: it is told, and has no bound.
        beside("one after the other", alone);
        let times = beside("on a busy processor", at_once);
        self.bound(
            times >= LEAST_TIMES_PYTHON,
            format!(
                "{times:.2} times the calls of Python on a busy processor, at least {LEAST_TIMES_PYTHON}"
            ),
        );
        Ok(())
    }

    fn bound(&mut self, holds: bool, failure: String) {
        if !holds {
            self.failures.push(failure);
        }
    }
}

impl Clients {
    async fn with_sdk(&self) {
        let session = self.sdk.get_session(&self.id).await.expect("an answer");
        assert_eq!(session.id(), self.id);
    }

    /// As a program would that does without an SDK.
    async fn with_bare_client(&self) {
        let request = self.bare.get(&self.url).bearer_auth(&self.token).send();
        let answer = request.await.and_then(reqwest::Response::error_for_status);
        let session: Value = answer.expect("an answer").json().await.expect("JSON");
        assert!(session.get("sessionId").is_some());
    }
}

/// How long one of many calls takes.
async fn timed<F: Future<Output = ()>>(at_once: usize, call: impl Fn() -> F) -> Duration {
    let start = Instant::now();
    stream::iter(0..CALLS)
        .map(|_| call())
        .buffer_unordered(at_once)
        .collect::<()>()
        .await;
    start.elapsed() / CALLS
}

/// The median of how many times as long the one takes. Of what was measured side by side, so that a busy minute of the
/// machine's hits both alike.
fn times(ones: &[Duration], others: &[Duration]) -> f64 {
    median(
        ones.iter()
            .zip(others)
            .map(|(one, other)| one.div_duration_f64(*other))
            .collect(),
    )
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable_by(|one, other| one.partial_cmp(other).expect("numbers"));
    values.get(values.len() / 2).copied().expect("at least one round")
}

fn rate(call: Duration) -> String {
    let seconds = call.as_secs_f64();
    format!("{:8.1} µs, {:6.0} calls/s", seconds * 1e6, 1.0 / seconds)
}

//! The load that fits into a test, and faults that it has to find.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test without the standard harness does not count as one for these lints"
)]

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use contract_tests::load::{self, Live, SERVER, Soak, Target};
use contract_tests::{Play, play_if_asked, suite};
use libtest_mimic::{Failed, Trial};
use tokio::runtime::Runtime;

const ROLES: [(&str, Play); 2] = [(SERVER, load::serve), (LEAKY, leak)];

/// A server that keeps what it does not need.
const LEAKY: &str = "leaky-server";

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = play_if_asked(&ROLES) {
        return ended;
    }
    // A server that can be started now can be started by every trial.
    let start = || Target::start(SERVER).map(drop);
    suite::run(start, &[trials], drop)
}

fn trials(_: &Arc<()>) -> Vec<Trial> {
    vec![
        trial("a_server_is_the_same_after_a_time_of_load", calm_again),
        trial(
            "a_server_that_keeps_what_it_does_not_need_is_found",
            leak_is_found,
        ),
        trial("a_server_holds_a_thousand_sessions_in_little_memory", a_thousand),
    ]
}

fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    Trial::test(name, move || {
        Runtime::new()?.block_on(test());
        Ok::<_, Failed>(())
    })
}

const BRIEF: Soak = Soak {
    time: Duration::from_secs(10),
    sessions: 6,
    users: 4,
    tunnels: 2,
    lines: 5,
    patience: Duration::from_secs(90),
    seed: 1,
};

async fn calm_again() {
    let failures = load::soak(Target::start(SERVER).unwrap(), &BRIEF).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

async fn leak_is_found() {
    let soak = Soak {
        time: Duration::from_secs(2),
        sessions: 2,
        users: 1,
        tunnels: 1,
        patience: Duration::ZERO,
        ..BRIEF
    };
    let failures = load::soak(Target::start(LEAKY).unwrap(), &soak).await;
    for what in [
        "bytes of the server",
        "descriptors of the server",
        "threads of the server",
    ] {
        assert!(
            failures.iter().any(|failure| failure.starts_with(what)),
            "{what} is not in {failures:#?}"
        );
    }
}

/// The role: each tenth of a second some memory, a descriptor and a thread more.
fn leak(arguments: &[&str]) -> ExitCode {
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_millis(100));
            thread::spawn(|| {
                let kept = (vec![1u8; 1 << 20], std::fs::File::open("/dev/null"));
                thread::sleep(Duration::from_secs(3600));
                drop(kept);
            });
        }
    });
    load::serve(arguments)
}

async fn a_thousand() {
    let live = Live {
        sessions: 1000,
        patience: Duration::from_secs(90),
    };
    if let Some(obstacle) = live.obstacle() {
        println!("skipped: {obstacle}");
        return;
    }
    let failures = load::live(Target::start(SERVER).unwrap(), live).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

//! Puts a server under load and reports what becomes of it.
//!
//! ```text
//! cargo run --release -p contract-tests --bin load -- --minutes 10 --sessions 100 --tunnels 8
//! cargo run --release -p contract-tests --bin load -- --live 1000
//! ```
//! It starts a server in a process of its own, whose memory and descriptors it can tell, or goes to the one that
//! `SANDBOX_API_URL` and `SANDBOX_API_TOKEN` name. It ends with 1 if an operation failed, or if the server or the
//! agents do not take as much at the end as they did before.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use contract_tests::load::{self, Live, SERVER, Soak, Target};
use contract_tests::{Play, play_if_asked};

const ROLES: [(&str, Play); 1] = [(SERVER, load::serve)];

/// How long what is on its way out may take to go. Each minute a server gives back the memory that is free.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Parser)]
#[command(about = "Puts a server under load and reports what becomes of it")]
struct Arguments {
    /// How long
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How many sessions are there all the time
    #[arg(long, default_value_t = 100)]
    sessions: usize,
    /// How many make requests at the same time
    #[arg(long, default_value_t = 8)]
    users: usize,
    /// How many use tunnels at the same time
    #[arg(long, default_value_t = 8)]
    tunnels: usize,
    /// What the order of things comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instead of all that, have so many sessions alive at the same time
    #[arg(long, value_name = "SESSIONS")]
    live: Option<usize>,
}

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    if let Some(ended) = play_if_asked(&ROLES) {
        return ended;
    }
    let arguments = Arguments::parse();
    let target = match target() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("there is no server to load: {error}");
            return ExitCode::FAILURE;
        }
    };
    let failures = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(target, &arguments)),
        Err(error) => vec![error.to_string()],
    };
    for failure in &failures {
        println!("failed: {failure}");
    }
    println!("{}", if failures.is_empty() { "passed" } else { "failed" });
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn target() -> Result<Target, String> {
    match (
        std::env::var("SANDBOX_API_URL"),
        std::env::var("SANDBOX_API_TOKEN"),
    ) {
        (Ok(url), Ok(token)) => Ok(Target::Other { url, token }),
        (Ok(_), Err(_)) => Err("SANDBOX_API_URL is set, and SANDBOX_API_TOKEN is not".to_owned()),
        (Err(_), _) => Target::start(SERVER),
    }
}

async fn run(target: Target, arguments: &Arguments) -> Vec<String> {
    if let Some(sessions) = arguments.live {
        let live = Live {
            sessions,
            patience: PATIENCE,
        };
        return match live.obstacle() {
            Some(obstacle) => vec![obstacle],
            None => load::live(target, live).await,
        };
    }
    let soak = Soak {
        time: Duration::from_secs_f64(60.0 * arguments.minutes),
        sessions: arguments.sessions,
        users: arguments.users,
        tunnels: arguments.tunnels,
        lines: 20,
        patience: PATIENCE,
        seed: arguments.seed,
    };
    load::soak(target, &soak).await
}

//! The `sandbox` command: run code in sandboxes, and host the server that makes them.

mod arguments;
mod commands;
mod connect;
mod exit;
mod interrupt;
mod output;

use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Parser;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    // A sandbox starts by running this program again with a hidden argument.
    sandbox_agent::run_if_asked();
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            exit::code(&error)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    // Who runs code wants its output and nothing else; who hosts a server wants to see what it does.
    output::log_to_stderr(if matches!(command, Command::Serve(_)) {
        "info"
    } else {
        "error"
    });
    // The other half of the processors is for what runs in the sessions.
    let workers = (available_parallelism().map_or(1, NonZero::get) / 2).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    let code = runtime.block_on(async {
        match command {
            Command::Run(run) => commands::run::run(run).await,
            Command::Serve(serve) => commands::serve::run(serve).await,
            Command::Create(create) => commands::create::run(create).await,
            Command::Ls(list) => commands::list::run(list).await,
            Command::Get(get) => commands::get::run(get).await,
            Command::Rm(remove) => commands::remove::run(remove).await,
        }
    })?;
    // A thread that still reads standard input must not keep a finished command alive.
    runtime.shutdown_background();
    Ok(code)
}

//! The `sandbox` command: run code in sandboxes, and host the server that makes them.

mod api;
mod arguments;
mod commands;
mod exit;
mod failure;
mod hint;
mod interrupt;
mod output;
mod raw_mode;
mod runtime_file;
mod session_ref;
mod sessions;
mod settings;
mod transfer;

use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::Parser;

use crate::api::Api;
use crate::arguments::{Arguments, Command, Connection};

fn main() -> ExitCode {
    // A sandbox starts by running this program again with a hidden argument.
    sandbox_agent::run_if_asked();
    let arguments = Arguments::parse();
    arguments.color.write_global();
    output::tell_programs(arguments.command.json());
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) if error.is::<output::NobodyReads>() => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, hint::hint(&error, None).as_deref());
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
    let code = runtime.block_on(dispatch(&command))?;
    // A thread that still reads standard input must not keep a finished command alive.
    runtime.shutdown_background();
    Ok(code)
}

async fn dispatch(command: &Command) -> anyhow::Result<ExitCode> {
    use commands::{
        code, completions, copy, create, exec, forward, get, health, image, list, man, pause, proxy, remove,
        run, serve, ssh, ssh_config,
    };
    match command {
        Command::Run(run) => run::run(run).await,
        Command::Serve(serve) => serve::run(serve).await,
        Command::Create(create) => {
            on_api(&create.connection, async |api| create::run(create, api).await).await
        }
        Command::Ls(list) => on_api(&list.connection, async |api| list::run(list, api).await).await,
        Command::Get(get) => on_api(&get.connection, async |api| get::run(get, api).await).await,
        Command::Exec(exec) => on_api(&exec.connection, async |api| exec::run(exec, api).await).await,
        Command::Code(code) => on_api(&code.connection, async |api| code::run(code, api).await).await,
        Command::Cp(copy) => on_api(&copy.connection, async |api| copy::run(copy, api).await).await,
        Command::Ssh(ssh) => on_api(&ssh.connection, async |api| ssh::run(ssh, api).await).await,
        Command::Proxy(proxy) => on_api(&proxy.connection, async |api| proxy::run(proxy, api).await).await,
        Command::SshConfig(config) => {
            on_api(&config.connection, async |api| ssh_config::run(config, api).await).await
        }
        Command::Forward(forward) => {
            on_api(&forward.connection, async |api| forward::run(forward, api).await).await
        }
        Command::Pause(pause) => on_api(&pause.connection, async |api| pause::pause(pause, api).await).await,
        Command::Resume(resume) => {
            on_api(&resume.connection, async |api| pause::resume(resume, api).await).await
        }
        Command::Rm(remove) => on_api(&remove.connection, async |api| remove::run(remove, api).await).await,
        Command::Health(health) => {
            let api = Api::find_for_anybody(&health.connection)?;
            api.told(health::run(health, &api).await)
        }
        Command::Image(image) => image::run(image).await,
        Command::Completions(completions) => completions::run(completions),
        Command::Man(manual) => man::run(manual),
    }
}

/// Runs a command against the API that its arguments lead to.
async fn on_api(
    connection: &Connection,
    command: impl AsyncFnOnce(&Api) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let api = Api::find(connection)?;
    let outcome = command(&api).await;
    api.told(outcome)
}

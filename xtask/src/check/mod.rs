//! `cargo xtask check`: all that a change must pass, what fails fastest first.
//!
//! A step that needs what the machine lacks prints a line that starts with `skipped:` and says what would bring it.
//! With `--install` it is installed first.

mod clients;
mod coverage;
mod features;
mod fuzz;
mod rust_version;
mod schemathesis;
mod server;
mod steps;
mod targets;

use std::{
    ffi::OsStr,
    iter,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use self::steps::STEPS;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Do only this step; can be given more than once
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// List the steps and do none
    #[arg(long)]
    list: bool,
    /// Install toolchains, targets and tools that a step needs, with rustup and cargo
    #[arg(long)]
    install: bool,
}

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Settings) -> anyhow::Result<Outcome>,
}

struct Settings {
    install: bool,
}

enum Outcome {
    Passed,
    /// Why nothing was done.
    Skipped(String),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    for name in &arguments.only {
        ensure!(
            STEPS.iter().any(|step| step.name == name),
            "there is no step {name}; --list names them"
        );
    }
    let chosen = STEPS
        .iter()
        .filter(|step| arguments.only.is_empty() || arguments.only.iter().any(|name| name == step.name));
    if arguments.list {
        chosen.for_each(|step| println!("{:18} {}", step.name, step.about));
        return Ok(());
    }
    let settings = Settings {
        install: arguments.install,
    };
    let mut done = Vec::new();
    for step in chosen {
        println!("\n== {}: {}", step.name, step.about);
        let start = Instant::now();
        let outcome = (step.run)(&settings).with_context(|| format!("the step {} failed", step.name))?;
        if let Outcome::Skipped(reason) = &outcome {
            println!("skipped: {reason}");
        }
        done.push((step.name, start.elapsed(), outcome));
    }
    summarise(&done);
    Ok(())
}

fn summarise(done: &[(&str, Duration, Outcome)]) {
    println!();
    for (name, time, outcome) in done {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Skipped(_) => "skipped",
        };
        println!("{name:18} {outcome:8} {:6.1} s", time.as_secs_f64());
    }
    let total: Duration = done.iter().map(|(_, time, _)| *time).sum();
    println!("{:18} {:8} {:6.1} s", "", "", total.as_secs_f64());
}

/// Runs a command that has to succeed.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}`: {status}");
    }
    Ok(())
}

/// A command as somebody would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Whether a command can be run, and succeeds without a word.
fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Whether something that is looked for with `exists` is there, or could be installed.
fn provided(settings: &Settings, exists: impl Fn() -> bool, install: &mut Command) -> bool {
    exists() || (settings.install && succeed(install).is_ok() && exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_shown_as_typed() {
        let error = succeed(Command::new("false").args(["--only", "me"])).unwrap_err();
        assert_eq!(error.to_string(), "`false --only me`: exit status: 1");
    }
}

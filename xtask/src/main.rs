//! Development tasks: regenerate code, check it, run what CI runs. Run as `cargo xtask <task>`.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for people at a terminal"
)]

mod cargo;
mod check;
mod ci;
mod codegen;
mod conformance;
mod difference;
mod lint_spec;
mod public_api;
mod spec_diff;
mod stand_in;
mod third_parties;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Development tasks of this repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Do all that a change must pass
    Check(check::Arguments),
    /// Generate the API's types and client from sandbox-api-spec.yaml
    Codegen(codegen::Arguments),
    /// Ask a server all that the API's document says of one
    Conformance(conformance::Arguments),
    /// Lint sandbox-api-spec.yaml with spectral and redocly
    LintSpec,
    /// List what the libraries offer in their public-api.txt
    PublicApi(public_api::Arguments),
    /// List the changes between two OpenAPI documents, and whom each of them breaks
    SpecDiff(spec_diff::Arguments),
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> anyhow::Result<ExitCode> {
    if let Some(result) = stand_in::run_if_asked() {
        return result;
    }
    match Arguments::parse().task {
        Task::Check(arguments) => check::run(&arguments)?,
        Task::Codegen(arguments) => codegen::run(&arguments)?,
        Task::Conformance(arguments) => return conformance::run(&arguments),
        Task::LintSpec => lint_spec::run()?,
        Task::PublicApi(arguments) => public_api::run(&arguments)?,
        Task::SpecDiff(arguments) => return spec_diff::run(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}

//! Development tasks: regenerate code, check it, run what CI runs. Run as `cargo xtask <task>`.

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

mod codegen;
mod difference;
mod lint_spec;
mod public_api;
mod spec_diff;
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
    /// Generate the API's types and client from sandbox-api-spec.yaml
    Codegen(codegen::Arguments),
    /// Lint sandbox-api-spec.yaml with spectral and redocly, which npm provides
    LintSpec,
    /// List what the libraries offer in their public-api.txt
    PublicApi(public_api::Arguments),
    /// List the changes between two OpenAPI documents, and whom each of them breaks
    SpecDiff(spec_diff::Arguments),
}

fn main() -> anyhow::Result<ExitCode> {
    if public_api::is_rustdoc() {
        let succeeded = public_api::run_rustdoc()?.success();
        return Ok(if succeeded {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    match Arguments::parse().task {
        Task::Codegen(arguments) => codegen::run(&arguments)?,
        Task::LintSpec => lint_spec::run()?,
        Task::PublicApi(arguments) => public_api::run(&arguments)?,
        Task::SpecDiff(arguments) => return spec_diff::run(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}

//! Development tasks: regenerate code, check it, run what CI runs. Run as `cargo xtask <task>`.

#![allow(clippy::print_stdout, reason = "a program for people at a terminal")]

mod codegen;
mod lint_spec;
mod workspace;

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
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Codegen(arguments) => codegen::run(&arguments),
        Task::LintSpec => lint_spec::run(),
    }
}

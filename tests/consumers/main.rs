//! The SDK against two stand-ins for the API that answer as the document says: this workspace's mocks, and Prism, which
//! knows nothing of this workspace but the document.
//!
//! What is asked and what is expected follows from the document, so that a new operation, status or example is tried
//! without a change here, or fails until somebody has said what it means.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is part of tests"
)]

mod document;
mod meaning;
mod mocks;
mod preferring;
mod prism;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = mocks::trials();
    let prism = match prism::Prism::start() {
        Ok(prism) => Some(prism),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    };
    trials.extend(prism.iter().flat_map(prism::trials));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that is a future; it fails by panicking.
fn trial<F: Future<Output = ()>>(name: String, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        runtime.block_on(test());
        Ok(())
    })
}

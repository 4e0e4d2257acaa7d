//! The backend's conformance suite, and the HTTP API against a real server.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test without the standard harness does not count as one for these lints"
)]

mod client;
mod conformance;
mod embedded;
mod files;
mod http;
mod idempotency;
mod lifecycle;
mod rate_limit;
mod sessions;
mod ssh;
mod tunnel;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

use crate::client::TestServer;

fn main() -> ExitCode {
    sandbox_agent::run_if_asked();
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let server = match runtime.block_on(TestServer::start()) {
        Ok(server) => Arc::new(server),
        Err(error) => {
            let causes = std::iter::successors(error.source(), |cause| (*cause).source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            println!("skipped: {error}: {}", causes.join(": "));
            return ExitCode::SUCCESS;
        }
    };
    let mut trials = embedded::trials(&runtime);
    trials.extend(http::trials(&runtime, &server));
    trials.extend(sessions::trials(&runtime, &server));
    trials.extend(idempotency::trials(&runtime, &server));
    trials.extend(rate_limit::trials(&runtime, &server));
    trials.extend(files::trials(&runtime, &server));
    trials.extend(tunnel::trials(&runtime, &server));
    trials.extend(lifecycle::trials(&runtime));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(server) = Arc::into_inner(server) {
        runtime.block_on(server.stop());
    }
    conclusion.exit_code()
}

/// A test that is a future; it fails by panicking.
fn trial<F: Future<Output = ()>>(
    runtime: &Arc<Runtime>,
    name: impl Into<String>,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    let runtime = runtime.clone();
    Trial::test(name, move || {
        runtime.block_on(test());
        Ok(())
    })
}

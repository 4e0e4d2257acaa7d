//! The server of these tests, in their process or in one of its own.

use std::num::NonZeroU32;
use std::process::ExitCode;

use contract_tests::ServerProcess;
use sandbox_server::{Limits, ServerConfig};

/// Room for two hundred programs, each of which takes two processes where a host has no control groups.
pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: 512 << 20,
    disk_bytes: 128 << 20,
    pids: 1024,
    cpu_millis: 2000,
    open_files: 1024,
};

pub(crate) fn configured(config: ServerConfig) -> ServerConfig {
    config.limits(LIMITS).rate_limit(NonZeroU32::MAX)
}

pub(crate) fn start() -> ServerProcess {
    ServerProcess::start("server").expect("what this process could, another one can")
}

/// The role.
pub(crate) fn serve(arguments: &[&str]) -> ExitCode {
    contract_tests::serve(arguments, configured)
}

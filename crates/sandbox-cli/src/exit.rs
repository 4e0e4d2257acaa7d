//! What the command's exit code says; the numbers are documented in its help and do not change.

use std::process::ExitCode;

use sandbox_sessions::ErrorKind;

/// The code ran longer than it may, as `timeout(1)` says it.
pub(crate) const TIMED_OUT: u8 = 124;
/// Anything without a number of its own, as container engines say it.
const FAILED: u8 = 125;

// From sysexits(3).
const BAD_VALUE: u8 = 65;
const NO_SUCH_SESSION: u8 = 66;
const NO_CONNECTION: u8 = 69;
const TRY_LATER: u8 = 75;
const NOT_PERMITTED: u8 = 77;

/// The exit code for an error of ours, as opposed to one of the code that was run.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    let kind = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<sandbox_sessions::Error>())
        .map(|e| e.kind());
    ExitCode::from(kind.map_or(FAILED, of_kind))
}

fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidArgument => BAD_VALUE,
        ErrorKind::SessionNotFound => NO_SUCH_SESSION,
        ErrorKind::Connection | ErrorKind::Timeout => NO_CONNECTION,
        ErrorKind::RateLimited => TRY_LATER,
        ErrorKind::Unauthorized => NOT_PERMITTED,
        _ => FAILED,
    }
}

/// The exit code of the code that was run; one past a byte (there is none on Linux) counts as a failure.
pub(crate) fn of_code(exit_code: Option<i32>) -> ExitCode {
    ExitCode::from(
        exit_code
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(FAILED),
    )
}

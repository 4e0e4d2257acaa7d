//! What the command's exit code says; the numbers are documented in its help and do not change.

use std::fmt::Write;
use std::process::ExitCode;

use sandbox_sessions::ErrorKind;

use crate::failure::Failure;

/// The code ran longer than it may, as `timeout(1)` says it.
pub(crate) const TIMED_OUT: u8 = 124;
/// Anything without a number of its own, as container engines say it.
pub(crate) const FAILED: u8 = 125;

// From sysexits(3).
pub(crate) const BAD_VALUE: u8 = 65;
pub(crate) const NOT_THERE: u8 = 66;
pub(crate) const NO_CONNECTION: u8 = 69;
const TRY_LATER: u8 = 75;
const NOT_PERMITTED: u8 = 77;
pub(crate) const BAD_CONFIGURATION: u8 = 78;

/// What clap exits with.
pub(crate) const USAGE: u8 = 2;

/// The one table of exit codes, from which help and manual are made.
pub(crate) const TABLE: [(&str, &str); 12] = [
    ("0", "success"),
    (
        "1 to 255",
        "for run, exec, code and ssh: the exit code of what was run",
    ),
    ("2", "the command line makes no sense"),
    ("65", "a value is refused"),
    ("66", "a session, or a file in it, is not there"),
    ("69", "no server answers"),
    ("75", "the server asks to slow down, or to have fewer sessions"),
    ("77", "the token is refused"),
    (
        "78",
        "nothing names an API, or a configuration or token file cannot be used",
    ),
    ("124", "what was run took longer than it may"),
    ("125", "any other failure"),
    ("129, 130, 143", "ended by SIGHUP, SIGINT, SIGTERM"),
];

/// The table as the end of the help.
pub(crate) fn help() -> String {
    let mut text = "Exit codes:".to_owned();
    for (code, meaning) in TABLE {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {code:15}{meaning}");
    }
    text
}

/// The exit code for an error of ours, as opposed to one of the code that was run.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(number(error))
}

pub(crate) fn number(error: &anyhow::Error) -> u8 {
    let known = error.chain().find_map(|cause| {
        let failure = cause.downcast_ref::<Failure>().map(Failure::exit_code);
        failure.or_else(|| cause.downcast_ref::<sandbox_sessions::Error>().map(of_error))
    });
    known.unwrap_or(FAILED)
}

fn of_error(error: &sandbox_sessions::Error) -> u8 {
    match error.kind() {
        ErrorKind::InvalidArgument => BAD_VALUE,
        ErrorKind::SessionNotFound => NOT_THERE,
        ErrorKind::Connection | ErrorKind::Timeout => NO_CONNECTION,
        ErrorKind::RateLimited => TRY_LATER,
        ErrorKind::Unauthorized => NOT_PERMITTED,
        _ => match error.error_code() {
            Some("FILE_NOT_FOUND") => NOT_THERE,
            _ => FAILED,
        },
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

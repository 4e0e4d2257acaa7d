//! Values to answer with, as plain as the contract allows.

use chrono::{DateTime, Utc};
use sandbox_api::{
    open::{CommandStatus, HealthStatus, SessionStatus},
    types,
};
use uuid::Uuid;

/// A moment in the past: 2026-01-01, at the given hour, in UTC.
fn hour(hour: i64) -> DateTime<Utc> {
    const MIDNIGHT: i64 = 1_767_225_600;
    DateTime::from_timestamp(MIDNIGHT + hour * 3600, 0).unwrap_or_default()
}

/// A running session with that id, which was created on 2026-01-01 at 12:00 UTC and ends at 13:00.
///
/// # Example
/// ```
/// use sandbox_api::{open::SessionStatus, types::Session};
/// use sandbox_api_mock::values;
/// use uuid::Uuid;
///
/// let paused = Session { status: SessionStatus::Paused, ..values::session(Uuid::from_u128(7)) };
/// assert_eq!(paused.session_id, Uuid::from_u128(7));
/// ```
#[must_use]
pub fn session(id: Uuid) -> types::Session {
    types::Session {
        created_at: hour(12),
        expires_at: hour(13),
        image: None,
        last_activity_at: None,
        metadata: None,
        session_id: id,
        ssh_host_key: None,
        status: SessionStatus::Running,
        extra: Default::default(),
    }
}

/// A list whose only page has these sessions.
///
/// # Example
/// ```
/// use sandbox_api_mock::values;
///
/// assert_eq!(values::session_list(Vec::new()).total, 0);
/// ```
#[must_use]
pub fn session_list(sessions: Vec<types::Session>) -> types::SessionList {
    types::SessionList {
        limit: 50,
        offset: 0,
        total: u64::try_from(sessions.len()).unwrap_or(u64::MAX),
        sessions,
    }
}

/// An execution that ended with exit code 0 after it printed that.
///
/// # Example
/// ```
/// use sandbox_api_mock::values;
///
/// assert_eq!(values::command_result("42\n").exit_code, Some(0));
/// ```
#[must_use]
pub fn command_result(stdout: impl Into<String>) -> types::CommandResult {
    types::CommandResult {
        exit_code: Some(0),
        status: CommandStatus::Completed,
        stderr: String::new(),
        stderr_truncated: false,
        stdout: stdout.into(),
        stdout_truncated: false,
    }
}

/// A file with that absolute path and size in bytes, which was changed on 2026-01-01 at 12:00 UTC.
///
/// # Example
/// ```
/// use sandbox_api_mock::values;
///
/// assert_eq!(values::file_info("/workspace/a.csv", 3).size, 3);
/// ```
#[must_use]
pub fn file_info(path: impl Into<String>, size: u64) -> types::FileInfo {
    types::FileInfo {
        modified_at: hour(12),
        path: path.into(),
        size,
    }
}

/// A server that can serve.
///
/// # Example
/// ```
/// use sandbox_api::open::HealthStatus;
/// use sandbox_api_mock::values;
///
/// assert_eq!(values::health().status, HealthStatus::Healthy);
/// ```
#[must_use]
pub fn health() -> types::Health {
    types::Health {
        status: HealthStatus::Healthy,
    }
}

/// A sentence for people, such as deletions are answered with.
///
/// # Example
/// ```
/// use sandbox_api_mock::values;
///
/// assert_eq!(values::message("session deleted").message, "session deleted");
/// ```
#[must_use]
pub fn message(text: impl Into<String>) -> types::Message {
    types::Message { message: text.into() }
}

/// An error with a code for programs and words for people.
///
/// # Example
/// ```
/// use sandbox_api_mock::values;
///
/// let error = values::error("SESSION_NOT_FOUND", "there is no such session");
/// assert_eq!(error.error, "SESSION_NOT_FOUND");
/// ```
#[must_use]
pub fn error(code: impl Into<String>, message: impl Into<String>) -> types::Error {
    types::Error {
        details: None,
        error: code.into(),
        message: message.into(),
        request_id: None,
        timestamp: None,
    }
}

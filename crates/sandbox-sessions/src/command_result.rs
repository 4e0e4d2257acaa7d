use sandbox_api::types as wire;
use serde::{Serialize, Serializer};

use crate::CommandStatus;

/// How an execution ended and what it printed.
///
/// Code that fails or times out is a result, not an error: it ran, and here is what came of it.
///
/// ```no_run
/// use sandbox_sessions::CommandStatus;
///
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// let result = session.run_code("print(6 * 7)").await?;
/// match result.status() {
///     CommandStatus::Completed => assert!(result.success()),
///     CommandStatus::Timeout => eprintln!("it ran too long"),
///     status => eprintln!("{status}, exit code {:?}: {}", result.exit_code(), result.stderr()),
/// }
/// print!("{}", result.stdout());
/// if result.stdout_truncated() || result.stderr_truncated() {
///     eprintln!("it wrote more than the API keeps");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CommandResult(wire::CommandResult);

impl CommandResult {
    pub(crate) fn new(result: wire::CommandResult) -> Self {
        Self(result)
    }

    /// How the execution ended.
    #[must_use]
    pub fn status(&self) -> &CommandStatus {
        &self.0.status
    }

    /// The exit code; `None` if the code was stopped or killed.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.0.exit_code
    }

    /// Whether the code completed with exit code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        *self.status() == CommandStatus::Completed && self.exit_code() == Some(0)
    }

    /// What was written to standard output; bytes that are not UTF-8 were replaced by U+FFFD.
    #[must_use]
    pub fn stdout(&self) -> &str {
        &self.0.stdout
    }

    /// What was written to standard error; bytes that are not UTF-8 were replaced by U+FFFD.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.0.stderr
    }

    /// Whether more was written to standard output than the API keeps.
    #[must_use]
    pub fn stdout_truncated(&self) -> bool {
        self.0.stdout_truncated
    }

    /// Whether more was written to standard error than the API keeps.
    #[must_use]
    pub fn stderr_truncated(&self) -> bool {
        self.0.stderr_truncated
    }
}

/// As the API writes it, with the API's names.
impl Serialize for CommandResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

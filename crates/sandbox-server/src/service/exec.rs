//! Running commands.

use std::time::Duration;

use bytes::Bytes;
use sandbox_agent::{LINGER_VARIABLE, TIMEOUT_MESSAGE, TIMEOUT_VARIABLE};
use sandbox_tunnel::{ExecOutput, ExecRequest, Exit};
use tokio::time::timeout;

use super::code::{Language, shell_command};
use super::connections::Connections;
use super::error::{Error, Result};
use crate::backend::{Backend, SessionId};

/// How long a command's outputs may stay open after it has ended, in the hands of what it left in the background.
const LINGER: Duration = Duration::from_millis(200);

/// How much later than the agent the server gives a command up. The agent is what ends commands in time, and reports
/// their output; this is for an agent that cannot.
const BACKSTOP: Duration = Duration::from_secs(10);

/// Bytes of environment a command takes at most, names and values together.
const ENV_LIMIT: usize = 64 << 10;

/// Names of variables the agent takes as options.
const RESERVED_PREFIX: &str = "SANDBOX_AGENT_";

/// A command to run.
#[derive(Clone)]
pub(crate) struct Execution {
    pub(crate) command: String,
    pub(crate) stdin: Bytes,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) timeout: Duration,
}

/// How a command ended, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With this exit code; that of a signal is 128 and its number.
    Exited(i32),
    /// It was stopped because its time was up.
    TimedOut,
    /// Its session ended, or the way to it: how it ended is not known.
    Lost,
}

/// What was written to a stream, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) text: String,
    /// Whether there was more.
    pub(crate) truncated: bool,
}

impl Execution {
    pub(crate) fn code(language: Language, code: &str, timeout: Duration) -> Self {
        let line = language.command_line(code);
        Self {
            command: line.text,
            stdin: line.stdin,
            env: Vec::new(),
            timeout,
        }
    }

    pub(crate) fn command(command: String, env: Vec<(String, String)>, timeout: Duration) -> Result<Self> {
        check_env(&env)?;
        let line = shell_command(command);
        Ok(Self {
            command: line.text,
            stdin: line.stdin,
            env,
            timeout,
        })
    }

    fn request(&self, output_limit: usize) -> ExecRequest {
        let request = ExecRequest::command(self.command.clone())
            .in_one_flight()
            .stdin(self.stdin.clone())
            .stdout_limit(output_limit)
            .stderr_limit(output_limit)
            .env(TIMEOUT_VARIABLE, self.timeout.as_millis().to_string())
            .env(LINGER_VARIABLE, LINGER.as_millis().to_string());
        self.env
            .iter()
            .fold(request, |request, (name, value)| request.env(name, value))
    }
}

/// Runs a command to its end. Dropping the future kills it.
pub(super) async fn run(
    connections: &Connections,
    backend: &dyn Backend,
    id: SessionId,
    execution: &Execution,
    output_limit: usize,
) -> Result<Outcome> {
    let mut retried = false;
    loop {
        let lease = connections.lease(backend, id).await?;
        let running = lease.client().run(execution.request(output_limit));
        match timeout(execution.timeout + BACKSTOP, running).await {
            Ok(Ok(output)) => return Ok(outcome(output)),
            // The kept connection may have been lost since it was last used.
            Ok(Err(error)) if error.never_started() && !retried => {
                tracing::debug!(session = %id, error = &error as &dyn std::error::Error, "connecting anew");
                retried = true;
                lease.discard().await;
            }
            Ok(Err(error)) if error.never_started() => {
                return Err(Error::unavailable("the session's agent does not answer").caused_by(error));
            }
            Ok(Err(error)) => {
                tracing::debug!(session = %id, error = &error as &dyn std::error::Error, "a command was lost");
                return Ok(Outcome::lost("the session ended while the command ran"));
            }
            Err(_) => {
                tracing::warn!(session = %id, "an agent did not end a command in time");
                return Ok(Outcome {
                    ending: Ending::TimedOut,
                    ..Outcome::lost("")
                });
            }
        }
    }
}

impl Outcome {
    /// Of a command that ended, or never started, for a reason of the server's: told where its errors would be.
    pub(crate) fn lost(why: &str) -> Self {
        let stderr = Output {
            text: why.to_owned(),
            truncated: false,
        };
        Self {
            ending: Ending::Lost,
            stdout: Output::default(),
            stderr,
        }
    }
}

fn outcome(output: ExecOutput) -> Outcome {
    Outcome {
        ending: ending(&output.exit),
        stdout: text(output.stdout, output.stdout_truncated),
        stderr: text(output.stderr, output.stderr_truncated),
    }
}

fn ending(exit: &Exit) -> Ending {
    match exit {
        Exit::Code(code) => Ending::Exited(i32::try_from(*code).unwrap_or(i32::MAX)),
        Exit::Signal { message, .. } if message == TIMEOUT_MESSAGE => Ending::TimedOut,
        Exit::Signal { name, .. } => Ending::Exited(128 + signal_number(name)),
        _ => Ending::Lost,
    }
}

/// Bytes that are not UTF-8 become U+FFFD, except a character that the limit has cut in two: that is left out.
fn text(mut bytes: Vec<u8>, truncated: bool) -> Output {
    if truncated
        && let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Output { text, truncated }
}

/// The number on Linux of a signal as SSH names it; 0 for names that stand for none.
fn signal_number(name: &str) -> i32 {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    NAMES
        .iter()
        .zip(1..)
        .find(|(known, _)| **known == name)
        .map_or(0, |(_, number)| number)
}

fn check_env(env: &[(String, String)]) -> Result<()> {
    let mut size = 0;
    for (name, value) in env {
        let shown = name.chars().take(64).collect::<String>();
        if !is_variable_name(name) {
            let why = "a name consists of ASCII letters, digits and underscores and starts with no digit";
            return Err(Error::invalid("env", format!("{shown:?}: {why}")));
        }
        if name.starts_with(RESERVED_PREFIX) {
            return Err(Error::invalid(
                "env",
                format!("{shown:?}: names that start with {RESERVED_PREFIX} are reserved"),
            ));
        }
        size += name.len() + value.len();
    }
    if size > ENV_LIMIT {
        return Err(Error::invalid(
            "env",
            format!("{size} bytes are more than the {ENV_LIMIT} it may have"),
        )
        .detail("maximum", ENV_LIMIT));
    }
    Ok(())
}

fn is_variable_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::error::ErrorKind;

    fn env(name: &str, value: &str) -> Result<Execution> {
        Execution::command(
            "true".into(),
            vec![(name.into(), value.into())],
            Duration::from_secs(1),
        )
    }

    #[test]
    fn names_of_variables_are_checked() {
        assert!(env("_A1", "x").is_ok());
        for name in ["", "1A", "A-B", "Ä", "A=B", "A\0", TIMEOUT_VARIABLE] {
            assert_eq!(
                env(name, "x").err().unwrap().kind,
                ErrorKind::InvalidParameter,
                "{name:?}"
            );
        }
        assert!(
            env("A", &"x".repeat(ENV_LIMIT))
                .err()
                .unwrap()
                .message
                .contains("65536")
        );
    }

    #[test]
    fn a_signal_is_an_exit_code_above_128() {
        let exit = Exit::Signal {
            name: "SEGV".into(),
            message: String::new(),
        };
        assert_eq!(ending(&exit), Ending::Exited(139));
        let exit = Exit::Signal {
            name: "KILL".into(),
            message: TIMEOUT_MESSAGE.into(),
        };
        assert_eq!(ending(&exit), Ending::TimedOut);
    }

    #[test]
    fn output_is_text_whatever_it_was() {
        assert_eq!(text(b"a\xffb".to_vec(), false).text, "a\u{fffd}b");
        assert_eq!(text("aü".as_bytes()[..2].to_vec(), true).text, "a");
        assert_eq!(text("aü".as_bytes()[..2].to_vec(), false).text, "a\u{fffd}");
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use sandbox_api::types as wire;

use super::RequestFuture;
use crate::arguments::{check_variable_name, text, whole_seconds};
use crate::send::Operation;
use crate::{CommandResult, Error, SessionId, SessionsClient};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// A request to run a shell command in a session, made by [`SessionsClient::run_command`] or
/// [`Session::run_command`](crate::Session::run_command); awaiting it sends it and waits until the command
/// has ended.
///
/// ```no_run
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// let result = session.run_command(r#"echo "$GREETING" | wc -c"#).env("GREETING", "hello").await?;
/// assert_eq!(result.stdout().trim(), "6");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), before anything is sent, for a command
/// that is empty, holds a NUL character or is longer than 1048576 characters, and for a variable or a timeout
/// outside the bounds that its setter states; otherwise any kind. A paused session is an
/// [`Operation`](crate::ErrorKind::Operation) error with the code `INVALID_STATE`. A command that fails or
/// exceeds its own timeout is no error but a [`CommandResult`].
#[must_use = "a request is sent only when it is awaited"]
pub struct RunCommand {
    client: SessionsClient,
    id: SessionId,
    command: String,
    env: BTreeMap<String, String>,
    timeout: Duration,
}

impl RunCommand {
    pub(crate) fn new(client: SessionsClient, id: SessionId, command: String) -> Self {
        Self {
            client,
            id,
            command,
            env: BTreeMap::new(),
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets an environment variable for the command, in addition to the session's own; the last value for a
    /// name counts. A name consists of ASCII letters, digits and underscores and does not start with a digit
    /// or with `SANDBOX_AGENT_`; a value has at most 16384 characters, none of them NUL.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// How long the command may run: whole seconds from 1 to 300. The default is 60 s. The HTTP request
    /// outlives it by the client's [`timeout`](crate::SessionsClientBuilder::timeout), so that the result can
    /// arrive.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
    /// session.run_command("make test").timeout(Duration::from_secs(300)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl IntoFuture for RunCommand {
    type Output = Result<CommandResult, Error>;
    type IntoFuture = RequestFuture<CommandResult>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                client,
                id,
                command,
                env,
                timeout,
            } = self;
            let variables = env.into_iter().map(|(name, value)| {
                check_variable_name(&name)?;
                let value = text(&format!("environment variable {name}"), value)?;
                Ok((name, value))
            });
            let env: BTreeMap<_, _> = variables.collect::<Result<_, Error>>()?;
            let body = wire::ExecuteCommandRequest {
                command: text("command", command)?,
                env: (!env.is_empty()).then_some(env),
                timeout: whole_seconds("timeout", timeout)?,
            };
            let operation = Operation::on("run command", id);
            // The command may use all of its time, and then the answer still has to travel.
            let http_timeout = timeout.saturating_add(client.timeout());
            let call = || client.api().execute_command(id.as_uuid(), &body);
            let result = client.send(operation, http_timeout, call).await?;
            Ok(CommandResult::new(result))
        })
    }
}

/// Leaves command and variables out: they may be long, and they are the user's.
impl fmt::Debug for RunCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCommand")
            .field("id", &self.id)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_that_of_the_contract() {
        let contract: wire::ExecuteCommandRequest = serde_json::from_str(r#"{"command":"true"}"#).unwrap();
        assert_eq!(u64::from(contract.timeout.get()), DEFAULT_TIMEOUT.as_secs());
    }
}

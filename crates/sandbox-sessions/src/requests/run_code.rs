use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use sandbox_api::types as wire;

use super::RequestFuture;
use crate::arguments::{text, whole_seconds};
use crate::send::Operation;
use crate::{CommandResult, Error, Language, SessionId, SessionsClient};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// A request to run code in a session, made by [`SessionsClient::run_code`] or
/// [`Session::run_code`](crate::Session::run_code); awaiting it sends it and waits until the code has ended.
///
/// ```no_run
/// use std::time::Duration;
/// use sandbox_sessions::{CommandStatus, Language};
///
/// # async fn example(session: sandbox_sessions::Session) -> Result<(), sandbox_sessions::Error> {
/// let result = session
///     .run_code("echo hello; sleep 60")
///     .language(Language::Bash)
///     .timeout(Duration::from_secs(2))
///     .await?;
/// assert_eq!(*result.status(), CommandStatus::Timeout);
/// assert_eq!(result.stdout(), "hello\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), before anything is sent, for code that
/// is empty, holds a NUL character or is longer than 1048576 characters, and for a timeout outside its
/// bounds; otherwise any kind. A paused session is an [`Operation`](crate::ErrorKind::Operation) error with
/// the code `INVALID_STATE`. Code that fails or exceeds its own timeout is no error but a [`CommandResult`].
#[must_use = "a request is sent only when it is awaited"]
pub struct RunCode {
    client: SessionsClient,
    id: SessionId,
    code: String,
    language: Language,
    timeout: Duration,
}

impl RunCode {
    pub(crate) fn new(client: SessionsClient, id: SessionId, code: String) -> Self {
        Self {
            client,
            id,
            code,
            language: Language::default(),
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// The language the code is written in. The default is Python.
    pub fn language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// How long the code may run: whole seconds from 1 to 300. The default is 60 s. The HTTP request outlives
    /// it by the client's [`timeout`](crate::SessionsClientBuilder::timeout), so that the result can arrive.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl IntoFuture for RunCode {
    type Output = Result<CommandResult, Error>;
    type IntoFuture = RequestFuture<CommandResult>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                client,
                id,
                code,
                language,
                timeout,
            } = self;
            let body = wire::ExecuteCodeRequest {
                code: text("code", code)?,
                language: language.to_wire(),
                timeout: whole_seconds("timeout", timeout)?,
            };
            let operation = Operation::on("run code", id);
            // The code may use all of its time, and then the answer still has to travel.
            let http_timeout = timeout.saturating_add(client.timeout());
            let call = || client.api().execute_code(id.as_uuid(), &body);
            let result = client.send(operation, http_timeout, call).await?;
            Ok(CommandResult::new(result))
        })
    }
}

/// Leaves the code out: it may be long, and it is the user's.
impl fmt::Debug for RunCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCode")
            .field("id", &self.id)
            .field("language", &self.language)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_contract() {
        let contract: wire::ExecuteCodeRequest = serde_json::from_str(r#"{"code":"pass"}"#).unwrap();
        assert_eq!(contract.language, Language::default().to_wire());
        assert_eq!(u64::from(contract.timeout.get()), DEFAULT_TIMEOUT.as_secs());
    }
}

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use sandbox_api::types as wire;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{RunCommand, Session};

/// A shell command and how to run it: what [`Session::run_command`] takes.
///
/// Parsing refuses unknown properties and values outside their bounds.
///
/// ```
/// use sandbox_sessions::parameters::RunCommandParameters;
/// use serde_json::json;
///
/// let parameters: RunCommandParameters = serde_json::from_value(json!({ "command": "ls -l", "env": { "LANG": "C" } }))?;
/// assert!(serde_json::from_value::<RunCommandParameters>(json!({ "command": "" })).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RunCommandParameters(wire::ExecuteCommandRequest);

impl RunCommandParameters {
    /// The request to run this in a session.
    ///
    /// ```no_run
    /// use sandbox_sessions::parameters::RunCommandParameters;
    ///
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let parameters: RunCommandParameters = serde_json::from_str(r#"{ "command": "ls" }"#)?;
    /// let result = parameters.on(&session).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(self, session: &Session) -> RunCommand {
        let request = session
            .run_command(self.0.command.into_string())
            .timeout(Duration::from_secs(self.0.timeout.get().into()));
        let env = self.0.env.unwrap_or_default();
        env.into_iter().fold(request, |request, (name, value)| {
            request.env(name, value.into_string())
        })
    }
}

impl JsonSchema for RunCommandParameters {
    fn schema_name() -> Cow<'static, str> {
        "RunCommandParameters".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A shell command and how to run it.",
            "type": "object",
            "additionalProperties": false,
            "required": ["command"],
            "properties": {
                "command": {
                    "description": "The command line, as it would be typed in a shell.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1_048_576,
                    "pattern": r"^[^\x00]*$",
                },
                "timeout": {
                    "description": "For how many seconds the command may run.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 300,
                    "default": 60,
                },
                "env": {
                    "description": "Environment variables by name, set in addition to the session's own.",
                    "type": "object",
                    "additionalProperties": {
                        "type": "string",
                        "maxLength": 16384,
                        "pattern": r"^[^\x00]*$",
                    },
                },
            },
        })
    }
}

/// Leaves the values out: they are the user's.
impl fmt::Debug for RunCommandParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCommandParameters").finish_non_exhaustive()
    }
}

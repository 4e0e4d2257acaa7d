use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use sandbox_api::types as wire;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{Language, RunCode, Session};

/// Code and how to run it: what [`Session::run_code`] takes.
///
/// Parsing refuses unknown properties and values outside their bounds.
///
/// ```
/// use sandbox_sessions::parameters::RunCodeParameters;
/// use serde_json::json;
///
/// let parameters: RunCodeParameters = serde_json::from_value(json!({ "code": "print(6 * 7)", "timeout": 10 }))?;
/// assert!(serde_json::from_value::<RunCodeParameters>(json!({ "code": "print(6 * 7)", "timeout": 301 })).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RunCodeParameters(wire::ExecuteCodeRequest);

impl RunCodeParameters {
    /// The request to run this in a session.
    ///
    /// ```no_run
    /// use sandbox_sessions::parameters::RunCodeParameters;
    ///
    /// # async fn example(session: sandbox_sessions::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// let parameters: RunCodeParameters = serde_json::from_str(r#"{ "code": "print(6 * 7)" }"#)?;
    /// let result = parameters.on(&session).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(self, session: &Session) -> RunCode {
        let language = match self.0.language {
            wire::Language::Python => Language::Python,
            wire::Language::Javascript => Language::JavaScript,
            wire::Language::Bash => Language::Bash,
        };
        session
            .run_code(self.0.code.into_string())
            .language(language)
            .timeout(Duration::from_secs(self.0.timeout.get().into()))
    }
}

impl JsonSchema for RunCodeParameters {
    fn schema_name() -> Cow<'static, str> {
        "RunCodeParameters".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Code and how to run it.",
            "type": "object",
            "additionalProperties": false,
            "required": ["code"],
            "properties": {
                "code": {
                    "description": "The code.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1_048_576,
                    "pattern": r"^[^\x00]*$",
                },
                "language": {
                    "description": "The language the code is written in.",
                    "type": "string",
                    "enum": Language::ALL.iter().map(|language| language.as_str()).collect::<Vec<_>>(),
                    "default": "python",
                },
                "timeout": {
                    "description": "For how many seconds the code may run.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 300,
                    "default": 60,
                },
            },
        })
    }
}

/// Leaves the values out: they are the user's.
impl fmt::Debug for RunCodeParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCodeParameters").finish_non_exhaustive()
    }
}

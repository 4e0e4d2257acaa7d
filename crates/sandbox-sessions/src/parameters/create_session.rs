use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use sandbox_api::types as wire;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{CreateSession, SessionsClient};

/// What a new session should be like: what [`SessionsClient::create_session`] takes.
///
/// Parsing refuses unknown properties and values outside their bounds.
///
/// ```
/// use sandbox_sessions::parameters::CreateSessionParameters;
/// use serde_json::json;
///
/// let parameters: CreateSessionParameters = serde_json::from_value(json!({ "ttl": 600, "image": "python:3.11" }))?;
/// assert!(serde_json::from_value::<CreateSessionParameters>(json!({ "ttl": 1 })).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CreateSessionParameters(wire::CreateSessionRequest);

impl CreateSessionParameters {
    /// The request to create such a session.
    ///
    /// ```no_run
    /// use sandbox_sessions::parameters::CreateSessionParameters;
    ///
    /// # async fn example(client: sandbox_sessions::SessionsClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let parameters: CreateSessionParameters = serde_json::from_str(r#"{ "ttl": 600 }"#)?;
    /// let session = parameters.with(&client).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(self, client: &SessionsClient) -> CreateSession {
        let mut request = client
            .create_session()
            .ttl(Duration::from_secs(self.0.ttl.get().into()));
        if let Some(image) = self.0.image {
            request = request.image(image.into_string());
        }
        if let Some(metadata) = self.0.metadata {
            request = request.metadata(metadata);
        }
        if let Some(line) = self.0.ssh_public_key {
            request = request.ssh_public_key(line.into_string());
        }
        request
    }
}

impl JsonSchema for CreateSessionParameters {
    fn schema_name() -> Cow<'static, str> {
        "CreateSessionParameters".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What a new session should be like.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "ttl": {
                    "description": "Time to live in seconds, counted from the creation.",
                    "type": "integer",
                    "minimum": 60,
                    "maximum": 28800,
                    "default": 3600,
                },
                "image": {
                    "description": "The environment inside the session, such as `python:3.11`.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 255,
                    "pattern": r"^[^\x00]*$",
                },
                "metadata": {
                    "description": "Any JSON object of at most 16 KiB; it is given back with the session.",
                    "type": "object",
                    "additionalProperties": true,
                },
                "sshPublicKey": {
                    "description": "A public key in the one-line format of OpenSSH.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 16384,
                    "pattern": r"^[^\x00]*$",
                },
            },
        })
    }
}

/// Leaves the values out: they are the user's.
impl fmt::Debug for CreateSessionParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSessionParameters").finish_non_exhaustive()
    }
}

//! What operations take, as JSON and with a JSON schema: for the tool definitions of language models.
//!
//! A schema says what a model may pass, with the contract's bounds; what it passed is parsed into the same type, which
//! checks the bounds again, and becomes a request.
//!
//! ```
//! use sandbox_sessions::Session;
//! use sandbox_sessions::parameters::RunCodeParameters;
//! use serde_json::{Value, json};
//!
//! /// What the model is told.
//! fn tool() -> Value {
//!     json!({
//!         "name": "run_code",
//!         "description": "Runs code in an isolated session and returns what it prints.",
//!         "input_schema": schemars::schema_for!(RunCodeParameters),
//!     })
//! }
//!
//! /// What the model calls.
//! async fn call(session: &Session, arguments: Value) -> Result<Value, Box<dyn std::error::Error>> {
//!     let parameters: RunCodeParameters = serde_json::from_value(arguments)?;
//!     Ok(serde_json::to_value(parameters.on(session).await?)?)
//! }
//! # assert_eq!(tool()["input_schema"]["properties"]["timeout"]["maximum"], 300);
//! ```
//!
//! The schemas are those of the request types in the API's document, but leave out that an optional value may also be
//! `null`: models do better without that choice.

mod create_session;
mod run_code;
mod run_command;

pub use create_session::CreateSessionParameters;
pub use run_code::RunCodeParameters;
pub use run_command::RunCommandParameters;

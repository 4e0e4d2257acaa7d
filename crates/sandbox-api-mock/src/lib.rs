//! Typed mocks of the Sandbox API, for tests of programs that use it.
//!
//! [`MockServerExt`] adds a method for each operation to [`httpmock::MockServer`]. Its closure says, in the types of
//! `sandbox-api`, what a request must be like and how it is answered; a request or an answer that the contract does
//! not know does not compile. Paths match behind any base path, so that `server.url("/v1")` is as good a base URL as
//! any other.
//!
//! # Example
//! ```
//! use httpmock::MockServer;
//! use sandbox_api_mock::{MockServerExt, values};
//! # use sandbox_api::{Client, hooks::{BearerToken, Hooks}};
//! # use uuid::Uuid;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = MockServer::start_async().await;
//! let id = Uuid::from_u128(7);
//! let mock = server.get_session(|when, then| {
//!     when.session_id(&id).bearer_token("secret");
//!     then.ok(&values::session(id)).x_request_id("req-1");
//! });
//!
//! // The program under test, which is told that the API is at `server.url("/v1")`:
//! # let hooks = Hooks::bearer("secret".parse::<BearerToken>()?);
//! # let client = Client::new_with_client(server.url("/v1").parse()?, reqwest::Client::new(), hooks);
//! let session = client.get_session(&id).await?;
//!
//! assert_eq!(session.session_id, id);
//! mock.assert_calls(1);
//! # Ok(())
//! # }
//! ```
//!
//! # Refusals
//! Every documented status is a method of the answer. The values of [`values`] have the contract's required
//! properties, and are plain structs to change for a test:
//!
//! ```
//! # use httpmock::MockServer;
//! # use sandbox_api_mock::{MockServerExt, values};
//! # let server = MockServer::start();
//! server.create_session(|_, then| {
//!     then.too_many_requests(&values::error("RATE_LIMITED", "too many requests"))
//!         .retry_after(12)
//!         .x_rate_limit_remaining(0);
//! });
//! ```
//!
//! # Outside the contract
//! What a proxy or a newer server may answer is said with `httpmock`'s own means:
//!
//! ```
//! # use httpmock::MockServer;
//! # use sandbox_api_mock::MockServerExt;
//! # let server = MockServer::start();
//! server.health_check(|_, then| {
//!     then.into_inner().status(502).header("content-type", "text/html").body("<h1>Bad gateway</h1>");
//! });
//! ```
//!
//! # What is generated, and what is not
//! The mocks follow from `sandbox-api-spec.yaml` as the client does, and are committed and checked like it. Bodies of
//! files are bytes as a whole: what depends on a body that comes in pieces, breaks off or never ends needs a server
//! of its own, which `httpmock` is not. Headers that the contract requires of an answer are not set unless a test
//! says so, so that a test shows what it depends on.

#[rustfmt::skip]
#[allow(
    clippy::all,
    clippy::unwrap_used,
    rust_2018_idioms,
    reason = "generated: what matters is that the generator is right, not how its output reads"
)]
mod generated;
pub mod values;

pub use generated::{MockServerExt, operations};

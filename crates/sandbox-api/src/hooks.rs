//! What happens around every request of the generated client.
//!
//! - The bearer token is asked for and attached, marked as sensitive so that no HTTP layer prints it. The health check
//!   gets none: it is often sent to servers that are not yet known to be the right ones.
//! - An error answer is always an API error. A proxy's HTML page becomes one with the same status and headers; the
//!   generator's own code would report such an answer without its status.
//! - What an answer said is told to the [`Observation`] that watches the request, if one does.
//! - An answer that has to be held in memory as a whole must not be larger than [`MAX_JSON_BYTES`].

mod address;
mod answer;
mod observation;
mod token;

use std::{fmt, sync::Arc};

use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
use reqwest::{Request, Response, header::AUTHORIZATION};

pub(crate) use self::{
    address::address,
    answer::{refusal, value},
};
pub use self::{
    answer::{MAX_ERROR_BYTES, MAX_JSON_BYTES, error_body},
    observation::Observation,
    token::{BearerToken, InvalidToken},
};
use crate::Client;

/// The operation that needs no token.
const UNAUTHENTICATED: &str = "health_check";

/// Where the client's tokens come from.
#[derive(Clone)]
pub struct Hooks {
    token: Arc<dyn Fn() -> Option<BearerToken> + Send + Sync>,
}

impl Hooks {
    /// Sends the same token with every request.
    #[must_use]
    pub fn bearer(token: BearerToken) -> Self {
        Self::bearer_from(move || Some(token.clone()))
    }

    /// Asks for the token before every request; with `None` the request is sent without one.
    ///
    /// The function is called on the thread that sends the request, and should not block.
    #[must_use]
    pub fn bearer_from(source: impl Fn() -> Option<BearerToken> + Send + Sync + 'static) -> Self {
        Self {
            token: Arc::new(source),
        }
    }

    /// Sends no token.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::bearer_from(|| None)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl ClientHooks<Hooks> for Client {
    async fn pre<E>(&self, request: &mut Request, info: &OperationInfo) -> Result<(), Error<E>> {
        if info.operation_id != UNAUTHENTICATED
            && let Some(token) = (self.inner().token)()
        {
            request.headers_mut().insert(AUTHORIZATION, token.authorization());
        }
        Ok(())
    }

    async fn exec(&self, request: Request, _: &OperationInfo) -> reqwest::Result<Response> {
        let answer = self.client().execute(request).await?;
        Observation::note_head(&answer);
        Ok(answer)
    }
}

//! The one way out: every request of this crate passes through [`SessionsClient::send`].

use std::pin::pin;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use sandbox_api::hooks::Observation;
use sandbox_api::{ResponseValue, types as wire};
use tracing::{Instrument, Span, debug_span, field};

use crate::error::{from_api_error, out_of_time};
use crate::retry::{Attempts, Repeat, full_jitter};
use crate::{Error, SessionId, SessionsClient};

/// What a generated endpoint returns.
pub(crate) type Answer<T> = Result<ResponseValue<T>, sandbox_api::Error<wire::Error>>;

/// What is being done, for spans, errors and retries.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) session: Option<SessionId>,
    pub(crate) repeat: Repeat,
}

impl Operation {
    /// An operation that is repeated only if it was surely not carried out.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            session: None,
            repeat: Repeat::OnlyIfUnprocessed,
        }
    }

    /// As [`new`](Self::new), for an operation on a session.
    pub(crate) fn on(name: &'static str, session: SessionId) -> Self {
        Self {
            session: Some(session),
            ..Self::new(name)
        }
    }

    pub(crate) fn repeat(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn span(&self) -> Span {
        debug_span!(
            "request",
            operation = self.name,
            session = self.session.map(field::display),
            attempts = field::Empty,
            status = field::Empty,
            request_id = field::Empty,
        )
    }
}

impl SessionsClient {
    /// Sends the request that `call` makes and waits for the whole answer, at most as long as `timeout`; repeats
    /// it where the operation and the client's policy allow that.
    ///
    /// `call` is a function, not a future, because a request may have to be made more than once. It is called
    /// once for an operation that is [never](Repeat::Never) repeated.
    pub(crate) async fn send<T, F>(
        &self,
        operation: Operation,
        timeout: Duration,
        call: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Answer<T>>,
    {
        let span = operation.span();
        let attempts = Attempts {
            policy: self.retries(),
            operation,
            each: timeout,
            all: self.retries().total_for(timeout, self.timeout()),
        };
        // Futures are large: what is put around them holds a reference, where it would move them again and again.
        let attempts = pin!(attempts.run(|limit| attempt(limit, &call), full_jitter));
        let result = attempts.instrument(span.clone()).await;
        match result {
            Ok((answer, number)) => {
                record(&span, number, Some(answer.status()), request_id(answer.headers()));
                Ok(answer.into_inner())
            }
            Err(error) => {
                record(&span, error.attempts(), error.status(), error.request_id());
                Err(error.during(operation.name))
            }
        }
    }
}

/// One attempt, which is abandoned after `limit`.
async fn attempt<T, F>(limit: Duration, call: &impl Fn() -> F) -> Result<ResponseValue<T>, Error>
where
    F: Future<Output = Answer<T>>,
{
    let observation = Observation::default();
    let call = pin!(call());
    match tokio::time::timeout(limit, observation.of(call)).await {
        Ok(answer) => answer.map_err(|error| from_api_error(error, &observation)),
        Err(_) => Err(out_of_time(limit, &observation)),
    }
}

/// The header by which servers name a request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-request-id")?.to_str().ok()
}

fn record(span: &Span, attempts: u32, status: Option<StatusCode>, request_id: Option<&str>) {
    span.record("attempts", attempts);
    span.record("status", status.map(|status| status.as_u16()));
    span.record("request_id", request_id);
}

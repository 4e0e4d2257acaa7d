//! The one way out: every request of this crate passes through [`SessionsClient::send`].

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use sandbox_api::{ResponseValue, types as wire};
use tracing::{Instrument, Span, debug_span, field};

use crate::error::from_api_error;
use crate::{Error, ErrorKind, SessionId, SessionsClient};

/// What a generated endpoint returns.
pub(crate) type Answer<T> = Result<ResponseValue<T>, sandbox_api::Error<wire::Error>>;

/// When a request may be sent again after a failure.
#[allow(dead_code, reason = "read by the retry loop, which follows")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Done twice is as good as done once: it reads, it deletes, or a key makes it so.
    Always,
    /// Done twice may be once too often, so only a request that was surely not carried out is sent again.
    OnlyIfUnprocessed,
    /// It cannot be made a second time, because its body is a stream that is used up.
    Never,
}

/// What is being done, for spans, errors and retries.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    name: &'static str,
    session: Option<SessionId>,
    #[allow(dead_code, reason = "read by the retry loop, which follows")]
    repeat: Repeat,
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
            status = field::Empty,
            request_id = field::Empty,
        )
    }
}

impl SessionsClient {
    /// Sends the request that `call` makes and waits for the whole answer, at most as long as `timeout`.
    ///
    /// `call` is a function, not a future, because a request may have to be made more than once.
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
        let attempt = tokio::time::timeout(timeout, call()).instrument(span.clone());
        let result = match attempt.await {
            Ok(Ok(answer)) => {
                record(&span, Some(answer.status()), request_id(answer.headers()));
                Ok(answer.into_inner())
            }
            Ok(Err(error)) => Err(from_api_error(error)),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("no complete answer within {timeout:?}"),
            )),
        };
        result.map_err(|error| {
            record(&span, error.status(), error.request_id());
            error.during(operation.name)
        })
    }
}

/// The header by which servers name a request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-request-id")?.to_str().ok()
}

fn record(span: &Span, status: Option<StatusCode>, request_id: Option<&str>) {
    span.record("status", status.map(|status| status.as_u16()));
    span.record("request_id", request_id);
}

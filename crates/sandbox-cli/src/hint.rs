//! What to do next about an error.

use sandbox_sessions::{Error, ErrorKind};

use crate::api::Api;
use crate::failure::Failure;
use crate::settings::Origin;

/// Advice for whoever ran the command against `api`, if there is any.
pub(crate) fn hint(error: &anyhow::Error, api: Option<&Api>) -> Option<String> {
    error
        .chain()
        .find_map(|cause| match cause.downcast_ref::<Failure>() {
            Some(failure) => failure.hint().map(str::to_owned),
            None => for_answer(cause.downcast_ref()?, api?),
        })
}

fn for_answer(error: &Error, api: &Api) -> Option<String> {
    let url = api.client.api_url();
    match error.kind() {
        // What this process hosts itself is not to be found by looking around.
        ErrorKind::Connection | ErrorKind::Timeout if api.url_origin != Origin::Own => Some(format!(
            "{url} is from {}; is a server running there? `sandbox serve` starts one",
            api.url_origin
        )),
        ErrorKind::Unauthorized => Some(format!(
            "the token is from {}; is it one of those that {url} accepts?",
            api.token_origin
        )),
        ErrorKind::SessionNotFound => Some(
            "`sandbox ls` lists the sessions there are; one ends when its time to live has passed".to_owned(),
        ),
        _ => for_code(error),
    }
}

fn for_code(error: &Error) -> Option<String> {
    match error.error_code()? {
        "SESSION_LIMIT_REACHED" => Some("`sandbox rm` ends sessions that are no longer needed".to_owned()),
        "INVALID_STATE" => Some(
            "`sandbox get` shows the session's state; `sandbox resume` lets a paused one go on".to_owned(),
        ),
        "RATE_LIMITED" => {
            let wait = error.rate_limit()?.retry_after()?;
            Some(format!("try again in {} s", wait.as_secs().max(1)))
        }
        _ => None,
    }
}

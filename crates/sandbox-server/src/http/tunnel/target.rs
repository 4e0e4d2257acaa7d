//! The target of a `CONNECT`.

use http::{StatusCode, Uri};

use super::super::error::ApiError;
use super::super::session_path::parse;
use super::super::{BASE, unknown_route};
use crate::backend::SessionId;

/// The port that stock clients are told to ask for.
const SSH_PORT: u16 = 22;

/// Which session a target means: `/v1/sessions/ID`, with `/tunnel` behind it or not, with `/v1` before it or not, in
/// origin form or in absolute form; or `ID:22`, as of any proxy.
pub(super) fn session(target: &Uri) -> Result<SessionId, ApiError> {
    if target.query().is_some() {
        return Err(ApiError::invalid_request("the target of CONNECT has no query"));
    }
    if target.path().is_empty() || (target.scheme().is_none() && target.authority().is_some()) {
        return authority(target);
    }
    let path = target.path();
    let id = path
        .strip_prefix(BASE)
        .unwrap_or(path)
        .strip_prefix("/sessions/")
        .map(|rest| rest.strip_suffix("/tunnel").unwrap_or(rest))
        .filter(|id| !id.is_empty() && !id.contains('/'))
        .ok_or_else(|| unknown_route(target))?;
    parse(id)
}

fn authority(target: &Uri) -> Result<SessionId, ApiError> {
    let elsewhere = || {
        let message = format!(
            "tunnels lead to sessions only: CONNECT SESSION_ID:{SSH_PORT}, or {BASE}/sessions/SESSION_ID"
        );
        ApiError::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    };
    let authority = target.authority().ok_or_else(elsewhere)?;
    let exact = authority.port_u16() == Some(SSH_PORT) && !authority.as_str().contains('@');
    let id = authority.host().parse().ok().filter(|_| exact);
    id.ok_or_else(elsewhere)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed};

    use super::*;

    const ID: &str = "550e8400-e29b-41d4-a716-446655440000";

    fn parsed(target: &str) -> Result<SessionId, ApiError> {
        session(&target.replace("ID", ID).parse().unwrap())
    }

    #[test]
    fn every_form_means_the_same_tunnel() {
        for target in [
            "/v1/sessions/ID",
            "/sessions/ID",
            "/v1/sessions/ID/tunnel",
            "/sessions/ID/tunnel",
            "http://example.com/v1/sessions/ID",
            "https://example.com:8443/sessions/ID/tunnel",
            "ID:22",
        ] {
            assert_eq!(parsed(target).unwrap(), ID.parse().unwrap(), "{target}");
        }
    }

    #[test]
    fn anything_else_leads_nowhere() {
        for (target, status) in [
            ("example.com:443", 400),
            ("ID:80", 400),
            ("ID", 400),
            ("user@ID:22", 400),
            ("/v1/sessions/ID?x=1", 400),
            ("/v1/sessions/", 404),
            ("/v1/sessions/ID/", 404),
            ("/v1/sessions/ID/tunnel/", 404),
            ("/v1/sessions//tunnel", 404),
            ("/v1/sessions/ID/files", 404),
            ("/v2/sessions/ID", 404),
            ("/v1/v1/sessions/ID", 404),
            ("/v1/sessions/x", 404),
            ("/v1/sessions/%00", 404),
            ("http://example.com/", 404),
            ("/", 404),
            ("*", 404),
        ] {
            let error = parsed(target).unwrap_err();
            assert_eq!(error.status.as_u16(), status, "{target}: {}", error.message);
        }
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::default() })]

        #[test]
        fn any_target_leads_nowhere_or_to_the_session_in_it(
            target in prop_oneof![
                any::<Vec<u8>>(),
                "(http://[a-z]{0,3})?(/v1)?/{0,2}(sessions)?/{0,2}(ID|[a-f0-9-]{0,36})(/tunnel)?(:22|@|\\?)?".prop_map(String::into_bytes),
            ],
        ) {
            let target = String::from_utf8_lossy(&target).replace("ID", ID);
            if let Ok(uri) = target.parse()
                && let Ok(id) = session(&uri)
            {
                prop_assert!(target.to_lowercase().contains(&id.to_string()), "{target} led to {id}");
            }
        }
    }
}

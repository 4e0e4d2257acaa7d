//! Where operations are.

use reqwest::Url;

/// The address of the operation whose path, below that of the API, has these segments.
///
/// Host and port have been read when the API's address was; only what is new is here.
pub(crate) fn address(api: &Url, path: &[&str]) -> Url {
    let mut address = api.clone();
    // Only an address without a host has no segments. No request can be sent to it, whatever its path.
    if let Ok(mut segments) = address.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_follow_the_apis_own_path_and_stay_segments() {
        for (api, expected) in [
            (
                "http://localhost:8080",
                "http://localhost:8080/sessions/a%2Fb%20%3Fc%25",
            ),
            (
                "https://example.com/gateway/v1",
                "https://example.com/gateway/v1/sessions/a%2Fb%20%3Fc%25",
            ),
            (
                "https://example.com/v1/",
                "https://example.com/v1/sessions/a%2Fb%20%3Fc%25",
            ),
        ] {
            let address = address(&api.parse().unwrap(), &["sessions", "a/b ?c%"]);
            assert_eq!(address.as_str(), expected);
        }
    }

    #[test]
    fn what_has_no_host_stays_as_it_is() {
        let api: Url = "mailto:somebody@example.com".parse().unwrap();
        assert_eq!(address(&api, &["sessions"]), api);
    }
}

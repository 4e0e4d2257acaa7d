use url::{Host, Url};

use crate::Error;

/// The API's base URL.
#[derive(Clone, Debug)]
pub(crate) struct ApiUrl(Url);

impl ApiUrl {
    /// `name` is what the caller knows the URL by: an argument or an environment variable.
    ///
    /// No refusal quotes the URL, because a refused one may hold a password.
    pub(crate) fn parse(name: &'static str, raw: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Err(Error::invalid_argument(name, reason));
        if raw.is_empty() {
            return refuse("is empty".to_owned());
        }
        let mut url = match Url::parse(raw) {
            Ok(url) => url,
            Err(error) => return refuse(format!("is not an absolute URL: {error}")),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse(format!(
                "has the scheme {:?}; only http and https are supported",
                url.scheme()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("must not hold a user name or password; the API takes a bearer token".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("must not have a query or fragment".to_owned());
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    pub(crate) fn as_url(&self) -> &Url {
        &self.0
    }

    /// Without a trailing slash, so that paths can be appended to it.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the API can only be on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.0.host().is_some_and(is_loopback)
    }
}

fn is_loopback(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_base_path_and_drops_trailing_slashes() {
        for (raw, kept) in [
            ("http://localhost:8080/v1", "http://localhost:8080/v1"),
            (
                "https://api.sandbox.example.com/v1/",
                "https://api.sandbox.example.com/v1",
            ),
            (
                "https://example.com/gateway/sandbox/v1//",
                "https://example.com/gateway/sandbox/v1",
            ),
            ("HTTPS://Example.COM", "https://example.com"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            assert_eq!(ApiUrl::parse("url", raw).unwrap().as_str(), kept, "{raw}");
        }
    }

    #[test]
    fn knows_this_machine() {
        for (raw, expected) in [
            ("http://localhost:8080/v1", true),
            ("http://LOCALHOST/v1", true),
            ("http://api.localhost/v1", true),
            ("http://127.0.0.1:8080/v1", true),
            ("http://127.9.9.9/v1", true),
            ("http://0x7f000001/v1", true),
            ("http://[::1]/v1", true),
            ("http://localhost.example.com/v1", false),
            ("http://notlocalhost/v1", false),
            ("http://10.0.0.1/v1", false),
            ("http://0.0.0.0/v1", false),
        ] {
            assert_eq!(
                ApiUrl::parse("url", raw).unwrap().is_loopback(),
                expected,
                "{raw}"
            );
        }
    }

    #[test]
    fn refuses_what_no_request_could_be_sent_to() {
        for (raw, reason) in [
            ("", "is empty"),
            ("localhost:8080/v1", "scheme"),
            ("/v1", "not an absolute URL"),
            ("ftp://example.com/v1", "scheme \"ftp\""),
            ("file:///etc/passwd", "scheme"),
            ("http://", "not an absolute URL"),
            ("http://example.com:99999/", "not an absolute URL"),
            ("https://alice:hunter2@example.com/v1", "user name or password"),
            ("https://alice@example.com/v1", "user name or password"),
            ("https://alice:hunter2@exa mple.com/v1", "not an absolute URL"),
            ("https://example.com/v1?token=hunter2", "query"),
            ("https://example.com/v1#top", "fragment"),
        ] {
            let error = ApiUrl::parse("SANDBOX_API_URL", raw).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("SANDBOX_API_URL"), "{raw}: {shown}");
            assert!(shown.contains(reason), "{raw}: {shown}");
            assert!(!shown.contains("hunter2"), "{raw}: {shown}");
        }
    }
}

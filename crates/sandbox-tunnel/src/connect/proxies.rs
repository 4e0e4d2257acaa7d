use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// Which proxies to go through. The rules are those of reqwest, because they are the same code.
#[derive(Debug, Clone)]
pub struct Proxies(Option<Arc<Matcher>>);

impl Proxies {
    /// None, whatever the environment says.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Those that `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name now.
    #[must_use]
    pub fn from_env() -> Self {
        Self(Some(Arc::new(Matcher::from_system())))
    }

    /// One for all hosts but those of a list as `NO_PROXY` has it. Its URL may hold a user name and a password.
    #[must_use]
    pub fn all(url: &str, except: &str) -> Self {
        let matcher = Matcher::builder()
            .all(url.to_owned())
            .no(except.to_owned())
            .build();
        Self(Some(Arc::new(matcher)))
    }

    pub(super) fn intercept(&self, url: &Uri) -> Option<Intercepted> {
        self.0.as_ref()?.intercept(url).map(Intercepted)
    }
}

/// A proxy that is in the way.
pub(super) struct Intercepted(Intercept);

impl Intercepted {
    pub(super) fn url(&self) -> &Uri {
        self.0.uri()
    }

    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.0.basic_auth()
    }
}

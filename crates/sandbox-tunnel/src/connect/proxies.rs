use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// Which proxies to go through. The rules are those of reqwest, because they are the same code.
///
/// ```
/// use sandbox_tunnel::{Proxies, TunnelConfig};
///
/// let mut config = TunnelConfig::new("http://localhost:8080/v1/sessions/ID", "your-token-here")?;
/// config.proxies = Proxies::all("http://alice:secret@proxy.internal:3128", "localhost,.internal");
/// config.proxies = Proxies::from_env();
/// config.proxies = Proxies::none();
/// # Ok::<(), sandbox_tunnel::Error>(())
/// ```
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

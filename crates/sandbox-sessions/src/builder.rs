use std::fmt;
use std::time::Duration;

use reqwest::Certificate;
#[cfg(feature = "ssh")]
use reqwest::header::InvalidHeaderValue;
use reqwest::redirect::Policy;
use reqwest::retry;
#[cfg(feature = "ssh")]
use sandbox_api::hooks::BearerToken;
#[cfg(feature = "ssh")]
use sandbox_tunnel::{Proxies, Tls};
use secrecy::SecretString;

use crate::api_url::ApiUrl;
#[cfg(feature = "ssh")]
use crate::ssh::TunnelSettings;
use crate::token::parse_token;
use crate::{Error, ErrorKind, RetryPolicy, SessionsClient};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter than the whole request's: what could not be connected was surely not carried out, and is tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_USER_AGENT: &str = concat!("sandbox-sessions/", env!("CARGO_PKG_VERSION"));

/// Settings of a [`SessionsClient`], made by [`SessionsClient::builder`].
///
/// ```
/// use std::time::Duration;
/// use sandbox_sessions::SessionsClient;
///
/// let client = SessionsClient::builder()
///     .url("https://api.sandbox.example.com/v1")
///     .token("your-token-here")
///     .timeout(Duration::from_secs(10))
///     .user_agent("grader/2.1")
///     .build()?;
/// # Ok::<(), sandbox_sessions::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SessionsClientBuilder {
    url: String,
    token: SecretString,
    timeout: Duration,
    retries: RetryPolicy,
    http: HttpSettings,
    http_client: Option<reqwest::Client>,
}

/// Where HTTP clients come from.
#[derive(Clone)]
pub(crate) enum HttpSource {
    /// Made here; each has connections of its own.
    Settings(HttpSettings),
    /// The caller's own.
    Given(reqwest::Client),
}

impl HttpSource {
    pub(crate) fn client(&self, url: &ApiUrl) -> Result<reqwest::Client, Error> {
        match self {
            Self::Settings(settings) => settings.build(url),
            Self::Given(client) => Ok(client.clone()),
        }
    }

    /// The same settings for what HTTP clients do not do. Those of a client of the caller's own nobody can read.
    #[cfg(feature = "ssh")]
    pub(crate) fn tunnels(&self, url: &ApiUrl, token: &BearerToken) -> Result<Option<TunnelSettings>, Error> {
        match self {
            Self::Settings(settings) => settings.tunnels(url, token).map(Some),
            Self::Given(_) => Ok(None),
        }
    }
}

/// What only a client made here can honour; a client of the caller's own brings its own.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct HttpSettings {
    user_agent: Option<String>,
    accept_invalid_certs: bool,
    root_certificates: Vec<Vec<u8>>,
}

impl SessionsClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            url: String::new(),
            token: SecretString::default(),
            timeout: DEFAULT_TIMEOUT,
            retries: RetryPolicy::default(),
            http: HttpSettings::default(),
            http_client: None,
        }
    }

    /// The API's base URL, with the scheme `http` or `https` and including the version: operation paths are
    /// appended to it. Required.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// The bearer token sent with every request. Required.
    pub fn token(mut self, token: impl Into<SecretString>) -> Self {
        self.token = token.into();
        self
    }

    /// How long one HTTP request may take, from the start of connecting to the last byte of the answer. The
    /// default is 30 s. Requests that run code may take this long on top of the code's own timeout.
    ///
    /// A request that is repeated may take this long each time; [`RetryPolicy::total_time`] bounds the whole.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How requests that failed are repeated; [`RetryPolicy`] says which are, and what the defaults are.
    ///
    /// ```
    /// use sandbox_sessions::{RetryPolicy, SessionsClient};
    ///
    /// let client = SessionsClient::builder()
    ///     .url("https://api.sandbox.example.com/v1")
    ///     .token("your-token-here")
    ///     .retries(RetryPolicy::none())
    ///     .build()?;
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    pub fn retries(mut self, policy: RetryPolicy) -> Self {
        self.retries = policy;
        self
    }

    /// The `User-Agent` header; by default this crate's name and version.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.http.user_agent = Some(user_agent.into());
        self
    }

    /// Trusts these certificate authorities besides the system's: one or more certificates in PEM form.
    ///
    /// ```no_run
    /// use sandbox_sessions::SessionsClient;
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = SessionsClient::builder()
    ///     .url("https://sandbox.internal:8443/v1")
    ///     .token("your-token-here")
    ///     .root_certificates_pem(std::fs::read("ca.pem")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.root_certificates.push(pem.into());
        self
    }

    /// Accepts any TLS certificate. Whoever sits between client and API can then read the token and
    /// everything else: [`root_certificates_pem`](Self::root_certificates_pem) is nearly always what is
    /// wanted instead.
    ///
    /// ```
    /// use sandbox_sessions::SessionsClient;
    ///
    /// let client = SessionsClient::builder()
    ///     .url("https://localhost:8443/v1")
    ///     .token("for-a-test-on-this-machine")
    ///     .danger_accept_invalid_certs(true)
    ///     .build()?;
    /// # Ok::<(), sandbox_sessions::Error>(())
    /// ```
    pub fn danger_accept_invalid_certs(mut self, accept: bool) -> Self {
        self.http.accept_invalid_certs = accept;
        self
    }

    /// Sends all requests with this HTTP client, for its proxies, certificates or connection pool. A timeout
    /// of its own should exceed the longest code timeout, because the shorter of two timeouts wins.
    ///
    /// SSH does not go through it, and would have to guess at its proxies and certificates: it is refused with
    /// [`InvalidArgument`](ErrorKind::InvalidArgument). A second client, without an HTTP client of its own, connects:
    /// `client.ssh(session.id())`.
    ///
    /// ```no_run
    /// use sandbox_sessions::SessionsClient;
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let http = reqwest::Client::builder().pool_max_idle_per_host(2).build()?;
    /// let client = SessionsClient::builder()
    ///     .url("https://api.sandbox.example.com/v1")
    ///     .token("your-token-here")
    ///     .http_client(http)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http_client = Some(client);
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] for a URL or token that is missing or unusable, a timeout of zero, a
    /// retry policy that allows no attempt, a certificate or user agent that cannot be used, and for settings that an own
    /// [`http_client`](Self::http_client) would ignore.
    pub fn build(self) -> Result<SessionsClient, Error> {
        let url = ApiUrl::parse("API URL", &self.url)?;
        let token = parse_token("token", &self.token)?;
        if self.timeout.is_zero() {
            return Err(Error::invalid_argument("timeout", "is zero"));
        }
        self.retries.check()?;
        let http = match self.http_client {
            None => HttpSource::Settings(self.http),
            Some(client) if self.http == HttpSettings::default() => HttpSource::Given(client),
            Some(_) => {
                return Err(Error::invalid_argument(
                    "http_client",
                    "excludes the user agent and certificate settings; make them on the HTTP client itself",
                ));
            }
        };
        SessionsClient::assemble(url, token, self.timeout, self.retries, http)
    }
}

impl HttpSettings {
    #[cfg(feature = "ssh")]
    fn tunnels(&self, url: &ApiUrl, token: &BearerToken) -> Result<TunnelSettings, Error> {
        let unusable = |name| move |error| Error::invalid_argument(name, "cannot be used").with_source(error);
        let user_agent = self.user_agent.as_deref().unwrap_or(DEFAULT_USER_AGENT);
        Ok(TunnelSettings {
            authorization: token.authorization(),
            user_agent: Some(user_agent.parse().map_err(|error: InvalidHeaderValue| {
                Error::invalid_argument("user agent", "cannot be sent").with_source(error)
            })?),
            tls: if self.accept_invalid_certs {
                Tls::danger_accept_invalid_certs()
            } else {
                Tls::with_authorities(&self.root_certificates).map_err(unusable("root certificates"))?
            },
            proxies: if url.is_loopback() {
                Proxies::none()
            } else {
                Proxies::from_env()
            },
        })
    }

    fn build(&self, url: &ApiUrl) -> Result<reqwest::Client, Error> {
        let mut authorities = Vec::new();
        for pem in &self.root_certificates {
            match Certificate::from_pem_bundle(pem) {
                Ok(certificates) if !certificates.is_empty() => authorities.extend(certificates),
                Ok(_) => {
                    return Err(Error::invalid_argument(
                        "root certificates",
                        "hold no PEM certificate",
                    ));
                }
                Err(error) => {
                    return Err(
                        Error::invalid_argument("root certificates", "cannot be read").with_source(error)
                    );
                }
            }
        }
        let builder = reqwest::Client::builder()
            .user_agent(self.user_agent.as_deref().unwrap_or(DEFAULT_USER_AGENT))
            .connect_timeout(CONNECT_TIMEOUT)
            .tls_danger_accept_invalid_certs(self.accept_invalid_certs)
            // A redirected POST would silently become a GET, and a token must not follow to another host.
            .redirect(Policy::none())
            // What is repeated, the retry policy says; a request would be copied to be repeated beneath it.
            .retry(retry::never().max_retries_per_request(0));
        let builder = if url.is_https() {
            builder.tls_certs_merge(authorities)
        } else {
            // The system's authorities are not needed, and a bare machine that has none must still work.
            builder.tls_certs_only(authorities)
        };
        // A proxy's loopback is not ours, and the token is no business of its.
        let builder = if url.is_loopback() {
            builder.no_proxy()
        } else {
            builder
        };
        builder.build().map_err(|error| {
            Error::new(
                ErrorKind::InvalidArgument,
                "the HTTP client cannot be made with these settings",
            )
            .with_source(error)
        })
    }
}

impl fmt::Debug for SessionsClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsClientBuilder")
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

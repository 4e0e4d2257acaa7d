//! Where a registry is, and who may be spoken to without TLS.

use std::collections::BTreeSet;

use url::Url;

use crate::manifest::invalid;
use crate::name::DOCKER_HUB;
use crate::{Error, ErrorKind, Result};

/// Where Docker Hub answers.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// A registry.
#[derive(Debug, Clone)]
pub(super) struct Host {
    base: Url,
    /// As names of images have it, which is what its credentials are kept by.
    name: String,
}

/// The hosts that may be spoken to without TLS, besides this machine itself; each with its port.
#[derive(Debug, Clone, Default)]
pub(super) struct PlainHttp(BTreeSet<(String, u16)>);

impl Host {
    /// The registry of this name.
    pub(super) fn of(registry: &str, plain: &PlainHttp) -> Result<Self> {
        let parse = |scheme, host| {
            let not_a_host = |e| invalid(format!("the registry {registry} is no host")).with_source(e);
            Url::parse(&format!("{scheme}://{host}/")).map_err(not_a_host)
        };
        let base = if registry == DOCKER_HUB {
            parse("https", DOCKER_HUB_HOST)?
        } else {
            let without_tls = parse("http", registry)?;
            if plain.has(&without_tls) {
                without_tls
            } else {
                parse("https", registry)?
            }
        };
        Ok(Self {
            base,
            name: registry.to_owned(),
        })
    }

    /// A mirror, as it was configured.
    pub(super) fn mirror(text: &str) -> Result<Self> {
        let wrong = || {
            config(format!(
                "the registry mirror {text:?} is not http(s)://host[:port]"
            ))
        };
        let base = Url::parse(text).map_err(|e| wrong().with_source(e))?;
        let host = base.host_str().ok_or_else(wrong)?;
        let name = match base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        // Nothing but these is in it, credentials least of all.
        let whole = format!("{}://{name}/", base.scheme());
        if !matches!(base.scheme(), "http" | "https") || base.as_str() != whole {
            return Err(config(
                "a registry mirror is http(s)://host[:port] and nothing else",
            ));
        }
        Ok(Self { base, name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where it has this, below `/v2/`.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        let url = self.base.join(&format!("/v2/{path}"));
        url.map_err(|e| invalid(format!("the registry {} has no such path", self.name)).with_source(e))
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }
}

impl PlainHttp {
    pub(super) fn new(hosts: &[String]) -> Result<Self> {
        let parse = |host: &String| {
            let wrong = || config(format!("{host:?} is not host[:port] of a registry without TLS"));
            let url = Url::parse(&format!("http://{host}/")).map_err(|e| wrong().with_source(e))?;
            let nothing_else = url.path() == "/" && url.query().is_none() && url.username().is_empty();
            address(&url).filter(|_| nothing_else).ok_or_else(wrong)
        };
        hosts.iter().map(parse).collect::<Result<_>>().map(Self)
    }

    /// A mirror without TLS was given as such.
    pub(super) fn allow(&mut self, mirror: &Host) {
        if mirror.base.scheme() == "http" {
            self.0.extend(address(&mirror.base));
        }
    }

    fn has(&self, url: &Url) -> bool {
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        loopback || address(url).is_some_and(|address| self.0.contains(&address))
    }

    /// Whether who is spoken to at one place may send on to another: anywhere with TLS, and without it only from where
    /// there was none before to where none is needed.
    pub(super) fn check_next(&self, from: &Url, to: &Url) -> Result<()> {
        let good = match to.scheme() {
            "https" => true,
            "http" => from.scheme() == "http" && self.has(to),
            _ => false,
        };
        if good && to.username().is_empty() && to.password().is_none() {
            return Ok(());
        }
        let (from, to_host) = (
            from.host_str().unwrap_or_default(),
            to.host_str().unwrap_or_default(),
        );
        let message = format!(
            "{from} sends on to {}://{to_host}, which is not allowed",
            to.scheme()
        );
        Err(Error::new(
            ErrorKind::Unavailable,
            super::refusal::clean(&message),
        ))
    }
}

fn address(url: &Url) -> Option<(String, u16)> {
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> PlainHttp {
        PlainHttp::new(&["Inner.example:5000".into(), "other.example".into()]).unwrap()
    }

    fn base(registry: &str) -> String {
        Host::of(registry, &plain()).unwrap().base.to_string()
    }

    #[test]
    fn only_loopback_and_what_is_allowed_by_name_go_without_tls() {
        for registry in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
        ] {
            assert_eq!(base(registry), format!("http://{registry}/"));
        }
        assert_eq!(base("inner.example:5000"), "http://inner.example:5000/");
        assert_eq!(base("other.example"), "http://other.example/");
        for registry in [
            "inner.example",
            "other.example:5000",
            "10.0.0.1",
            "localhost.example",
        ] {
            assert_eq!(base(registry), format!("https://{registry}/"));
        }
        assert_eq!(base("docker.io"), "https://registry-1.docker.io/");
        assert_eq!(
            Host::of("999.1.1.1", &plain()).unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn a_mirror_is_a_scheme_and_a_host() {
        assert_eq!(
            Host::mirror("https://mirror.example").unwrap().name(),
            "mirror.example"
        );
        assert_eq!(
            Host::mirror("http://mirror.example:5000/").unwrap().name(),
            "mirror.example:5000"
        );
        for wrong in [
            "mirror.example",
            "ftp://mirror.example",
            "https://a:b@c.example",
            "https://c.example/x",
            "file:///x",
        ] {
            assert_eq!(
                Host::mirror(wrong).unwrap_err().kind(),
                ErrorKind::Config,
                "{wrong}"
            );
        }
        for wrong in ["a/b", "a@b", "", "a:99999"] {
            assert_eq!(
                PlainHttp::new(&[wrong.into()]).unwrap_err().kind(),
                ErrorKind::Config,
                "{wrong}"
            );
        }
    }

    #[test]
    fn nobody_is_sent_on_to_less_safety() {
        let url = |text: &str| Url::parse(text).unwrap();
        let goes = |from: &str, to: &str| plain().check_next(&url(from), &url(to)).is_ok();
        assert!(goes("https://a.example", "https://b.example"));
        assert!(goes("http://127.0.0.1", "https://b.example"));
        assert!(goes("http://127.0.0.1", "http://127.0.0.2"));
        for (from, to) in [
            ("https://a.example", "http://a.example"),
            ("https://a.example", "http://127.0.0.1"),
            ("http://127.0.0.1", "http://b.example"),
            ("http://127.0.0.1", "file:///etc/passwd"),
            ("https://a.example", "https://user:password@b.example"),
        ] {
            assert!(!goes(from, to), "{to}");
        }
    }
}

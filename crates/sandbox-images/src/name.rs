//! The name of an image.

use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// Docker Hub, as names of images call it.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// Where Docker Hub keeps what has no owner's name: `python` is `library/python`.
const LIBRARY: &str = "library";
const DEFAULT_TAG: &str = "latest";

const MAX_REGISTRY: usize = 253 + ":65535".len();
const MAX_REPOSITORY: usize = 255;
const MAX_TAG: usize = 128;
/// How much of a text that is no name an error shows.
const SHOWN: usize = 128;

/// The name of an image: a registry, a repository in it, and a tag or a digest or both.
///
/// Short names mean what they mean to Docker: `python` is `docker.io/library/python:latest`, and what is before the
/// first `/` is a registry if it is `localhost` or has a dot or a port. A digest says which image it is; a tag beside it
/// is remembered and decides nothing.
///
/// ```
/// let name: sandbox_images::ImageName = "python:3.11".parse()?;
/// assert_eq!(name.to_string(), "docker.io/library/python:3.11");
/// assert_eq!(name.familiar(), "python:3.11");
/// # Ok::<_, sandbox_images::ParseImageNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text is not an [`ImageName`]; it names the text and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseImageNameError(String);

impl ImageName {
    /// The registry's host, with its port if the name has one: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry: `library/python`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; a name has a tag or a digest or both.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest or index, when the name has one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The shortest name of the same image, as people write it: `python:3.11`.
    #[must_use]
    pub fn familiar(&self) -> String {
        let whole = self.to_string();
        let hub = whole
            .strip_prefix(DOCKER_HUB)
            .and_then(|rest| rest.strip_prefix('/'));
        let library = hub.and_then(|rest| rest.strip_prefix(LIBRARY)?.strip_prefix('/'));
        // Some names mean something else without their beginning: `docker.io/localhost/x`.
        let same = |short: &&str| short.parse::<Self>().is_ok_and(|name| name == *self);
        library
            .into_iter()
            .chain(hub)
            .find(same)
            .unwrap_or(&whole)
            .to_owned()
    }

    /// What follows the repository.
    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}"));
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}"));
        tag.into_iter().chain(digest).collect()
    }
}

impl FromStr for ImageName {
    type Err = ParseImageNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|rule| ParseImageNameError::new(text, &rule))
    }
}

/// The name, or the rule that the text breaks.
fn parse(text: &str) -> Result<ImageName, String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (
            rest,
            Some(digest.parse::<Digest>().map_err(|error| error.to_string())?),
        ),
        None => (text, None),
    };
    // A colon before the last slash is a registry's port.
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match rest.get(last..).and_then(|component| component.split_once(':')) {
        Some((component, tag)) => (rest.get(..last + component.len()).unwrap_or_default(), Some(tag)),
        None => (rest, None),
    };
    let (registry, repository) = split_registry(path)?;
    check_registry(&registry)?;
    check_repository(&repository)?;
    tag.map_or(Ok(()), check_tag)?;
    let tag = tag.or(digest.is_none().then_some(DEFAULT_TAG)).map(str::to_owned);
    Ok(ImageName {
        registry,
        repository,
        tag,
        digest,
    })
}

/// The registry and the repository that a name without tag and digest means.
fn split_registry(path: &str) -> Result<(String, String), String> {
    let named = path.split_once('/').filter(|(first, _)| {
        *first == "localhost"
            || first.contains(['.', ':'])
            || first.contains(|c: char| c.is_ascii_uppercase())
    });
    let (registry, repository) = named.unwrap_or((DOCKER_HUB, path));
    let registry = match registry.to_ascii_lowercase() {
        // The name that Docker's own files still use for the Hub.
        old if old == "index.docker.io" => DOCKER_HUB.to_owned(),
        registry => registry,
    };
    if registry != DOCKER_HUB || repository.contains('/') {
        return Ok((registry, repository.to_owned()));
    }
    // It would read as an image's identifier wherever one may stand in place of a name.
    if repository.len() == 64 && repository.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("a repository is not 64 hexadecimal digits".into());
    }
    Ok((registry, format!("{LIBRARY}/{repository}")))
}

fn check_registry(registry: &str) -> Result<(), String> {
    if registry.len() > MAX_REGISTRY {
        return Err(format!("a registry has at most {MAX_REGISTRY} characters"));
    }
    let (host, port) = match registry.rsplit_once(':') {
        // The colons of an IPv6 address are in its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let number = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
    };
    if port.is_some_and(|port| !number(port)) {
        return Err("a registry's port is a number from 1 to 65535".into());
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    };
    if good {
        return Ok(());
    }
    Err("a registry is a host's name or address, and perhaps a colon and a port".into())
}

/// Whether this may stand between the dots of a host's name.
fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
}

fn check_repository(repository: &str) -> Result<(), String> {
    if repository.len() > MAX_REPOSITORY {
        return Err(format!("a repository has at most {MAX_REPOSITORY} characters"));
    }
    if repository.split('/').all(is_component) {
        return Ok(());
    }
    Err("what is between a repository's slashes is lower-case letters and digits, joined by a dot, one or two \
         underscores, or hyphens"
        .into())
}

/// Whether this may stand between the slashes of a repository.
fn is_component(component: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separator =
        |between: &str| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-');
    component.starts_with(|c: char| c.is_ascii() && word(c as u8))
        && component.ends_with(|c: char| c.is_ascii() && word(c as u8))
        && component
            .split(|c: char| c.is_ascii() && word(c as u8))
            .all(separator)
}

fn check_tag(tag: &str) -> Result<(), String> {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let later = |byte: u8| first(byte) || matches!(byte, b'.' | b'-');
    if tag.len() <= MAX_TAG && tag.bytes().next().is_some_and(first) && tag.bytes().all(later) {
        return Ok(());
    }
    Err(format!(
        "a tag is 1 to {MAX_TAG} letters, digits, underscores, dots and hyphens, and begins with neither of the last two"
    ))
}

impl fmt::Display for ImageName {
    /// The whole name: `docker.io/library/python:3.11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.repository, self.suffix())
    }
}

impl ParseImageNameError {
    fn new(text: &str, rule: &str) -> Self {
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        Self(format!("{shown:?}{more} is no name of an image: {rule}"))
    }
}

impl fmt::Display for ParseImageNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseImageNameError {}

#[cfg(test)]
mod tests;

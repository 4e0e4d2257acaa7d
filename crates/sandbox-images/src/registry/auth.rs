//! Answers to a registry's challenges: a password, or a token that was fetched for it.

use http_auth::{ChallengeParser, ChallengeRef};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::credentials::Credential;
use super::host::Host;
use super::refusal::refusal;
use super::transport::{self, Transport, in_time};
use crate::{Error, ErrorKind, Result};

/// The longest answer that has a token in it.
const MAX_TOKEN: usize = 64 << 10;
const CLIENT: &str = "sandbox-sessions";

/// What a registry wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token that is to be had at `realm`.
    Bearer {
        realm: Url,
        service: Option<String>,
    },
}

/// Who answers a challenge, and for what.
pub(super) struct Answer<'a> {
    pub(super) transport: &'a Transport,
    pub(super) host: &'a Host,
    /// What is wanted of it, which is no more than to read: the registry is not asked what it would like to be asked.
    pub(super) scope: String,
    pub(super) credential: Option<Credential>,
}

#[derive(Deserialize)]
struct WireToken {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
}

impl Challenge {
    /// The challenge to answer: a token is preferred, since it says less.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<Self> = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| ChallengeParser::new(value).map_while(std::result::Result::ok))
            .filter_map(|challenge| Self::parse(&challenge))
            .collect();
        let basic = challenges.contains(&Self::Basic).then_some(Self::Basic);
        challenges
            .into_iter()
            .find(|challenge| *challenge != Self::Basic)
            .or(basic)
    }

    fn parse(challenge: &ChallengeRef<'_>) -> Option<Self> {
        let value = |name: &str| {
            let found = challenge
                .params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(found.1.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !challenge.scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Some(Self::Bearer {
            realm: value("realm")?.parse().ok()?,
            service: value("service"),
        })
    }
}

impl Answer<'_> {
    /// What to send as `Authorization`.
    pub(super) async fn to(self, challenge: Challenge) -> Result<HeaderValue> {
        match challenge {
            Challenge::Basic => {
                match &self.credential {
                    Some(Credential::Password { user, password }) => basic(user, password),
                    Some(Credential::IdentityToken(_)) => Err(self
                        .unauthorized("wants a password, and the credentials for it are an identity token")),
                    None => Err(self.unauthorized("wants a password, and there are no credentials for it")),
                }
            }
            Challenge::Bearer { realm, service } => {
                self.transport.plain().check_next(self.host.base(), &realm)?;
                let token = in_time(&realm, self.token(&realm, service.as_deref())).await?;
                header(&format!("Bearer {}", token.expose_secret()))
            }
        }
    }

    async fn token(&self, realm: &Url, service: Option<&str>) -> Result<SecretString> {
        let response = match &self.credential {
            Some(Credential::IdentityToken(token)) => {
                let form = self.refresh(token, service);
                self.transport.post(realm, form).await?
            }
            other => {
                let authorization = match other {
                    Some(Credential::Password { user, password }) => Some(basic(user, password)?),
                    _ => None,
                };
                let mut url = realm.clone();
                url.query_pairs_mut()
                    .append_pair("scope", &self.scope)
                    .extend_pairs(service.map(|service| ("service", service)));
                self.transport
                    .get(&url, &HeaderMap::new(), authorization.as_ref())
                    .await?
            }
        };
        if !response.status().is_success() {
            return Err(refusal(self.host.name(), response).await);
        }
        let body = transport::body(response, MAX_TOKEN).await?;
        let wire: Option<WireToken> = serde_json::from_slice(&body).ok();
        // The cause would quote what may be a token.
        let token = wire.and_then(|wire| wire.token.or(wire.access_token));
        token.ok_or_else(|| {
            let message = format!("the registry {} has an answer without a token", self.host.name());
            Error::new(ErrorKind::Unavailable, message)
        })
    }

    /// What asks for a token in exchange for an identity token.
    fn refresh(&self, identity: &SecretString, service: Option<&str>) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("refresh_token", identity.expose_secret());
        form.append_pair("client_id", CLIENT)
            .append_pair("scope", &self.scope);
        form.extend_pairs(service.map(|service| ("service", service)));
        form.finish()
    }

    fn unauthorized(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Unauthorized,
            format!("the registry {} {what}", self.host.name()),
        )
    }
}

fn basic(user: &str, password: &SecretString) -> Result<HeaderValue> {
    use base64::Engine as _;
    let pair = format!("{user}:{}", password.expose_secret());
    header(&format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    ))
}

/// A header whose value nobody prints.
fn header(value: &str) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(value).map_err(|_| {
        Error::new(
            ErrorKind::Unavailable,
            "the registry has a token with what no token has",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(values: &[&'static str]) -> Option<Challenge> {
        let pair = |value: &&'static str| (WWW_AUTHENTICATE, HeaderValue::from_static(value));
        Challenge::of(&values.iter().map(pair).collect())
    }

    #[test]
    fn a_token_is_preferred() {
        let expected = Some(Challenge::Bearer {
            realm: Url::parse("https://auth.example/token").unwrap(),
            service: Some("r".into()),
        });
        let bearer = r#"Bearer realm="https://auth.example/token",service="r",scope="repository:x:push""#;
        assert_eq!(challenge(&[bearer]), expected);
        assert_eq!(challenge(&[r#"Basic realm="x""#, bearer]), expected);
        assert_eq!(
            challenge(&[r#"Digest realm="x", basic realm="y""#]),
            Some(Challenge::Basic)
        );
        for none in [
            "",
            "Bearer",
            r#"Bearer realm="no url""#,
            r#"Negotiate"#,
            "=\"",
            "Bearer realm=\"a",
        ] {
            assert_eq!(challenge(&[none]), None, "{none}");
        }
    }
}

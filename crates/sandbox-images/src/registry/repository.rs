//! One repository of a registry.

use std::fmt;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Response, StatusCode};
use tokio::sync::Mutex;

use super::auth::{Answer, Challenge};
use super::credentials::DockerConfig;
use super::host::Host;
use super::refusal::refusal;
use super::transport::{self, Transport, in_time};
use crate::manifest::{MAX_DOCUMENT, invalid};
use crate::{Digest, ImageName, Result};

/// What is read of manifests. Docker's schema 1 is not, though some registries have nothing else.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// A repository, with what its registry wants to see before it answers.
#[derive(Debug)]
pub(crate) struct Repository {
    host: Host,
    path: String,
    transport: Transport,
    docker_config: DockerConfig,
    authorization: Mutex<Option<HeaderValue>>,
}

/// What a manifest is asked for by.
#[derive(Debug, Clone)]
pub(crate) enum Reference {
    Tag(String),
    Digest(Digest),
}

/// A blob that is being sent.
#[derive(Debug)]
pub(crate) struct Blob {
    response: Response,
    /// Whether it goes on from where it was asked to, rather than begins anew.
    pub(crate) continues: bool,
}

impl Reference {
    /// A digest says more than a tag.
    pub(crate) fn of(name: &ImageName) -> Self {
        match (name.digest(), name.tag()) {
            (Some(digest), _) => Self::Digest(*digest),
            (None, tag) => Self::Tag(tag.unwrap_or("latest").to_owned()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Repository {
    pub(super) fn new(host: Host, path: &str, transport: Transport, docker_config: DockerConfig) -> Self {
        Self {
            host,
            path: path.to_owned(),
            transport,
            docker_config,
            authorization: Mutex::new(None),
        }
    }

    /// The registry's name.
    pub(crate) fn registry(&self) -> &str {
        self.host.name()
    }

    /// A manifest or an index. What has another digest than it was asked for by, or than it is said to have, is refused.
    pub(crate) async fn manifest(&self, reference: &Reference) -> Result<(Digest, Vec<u8>)> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MANIFESTS))]);
        let (said, content) = self.document(&format!("manifests/{reference}"), &headers).await?;
        let found = Digest::of(&content);
        let expected = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => said,
        };
        match expected.filter(|expected| *expected != found) {
            Some(expected) => Err(invalid(format!("the manifest {expected} has the digest {found}"))),
            None => Ok((found, content)),
        }
    }

    /// A small blob, verified.
    pub(crate) async fn small_blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let (_, content) = self
            .document(&format!("blobs/{digest}"), &HeaderMap::new())
            .await?;
        let found = Digest::of(&content);
        if found != *digest {
            return Err(invalid(format!("the blob {digest} has the digest {found}")));
        }
        Ok(content)
    }

    /// A blob, from this byte on if the registry can.
    pub(crate) async fn blob(&self, digest: &Digest, offset: u64) -> Result<Blob> {
        let path = format!("blobs/{digest}");
        if offset > 0 {
            let range = HeaderValue::from_maybe_shared(format!("bytes={offset}-"));
            let headers = range.into_iter().map(|range| (RANGE, range)).collect();
            let response = self.ask(&path, &headers).await?;
            match response.status() {
                StatusCode::PARTIAL_CONTENT if starts_at(&response) == Some(offset) => {
                    return Ok(Blob {
                        response,
                        continues: true,
                    });
                }
                StatusCode::OK => {
                    return Ok(Blob {
                        response,
                        continues: false,
                    });
                }
                // What is here cannot be continued, or what came is no continuation.
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {}
                _ => return Err(refusal(self.host.name(), response).await),
            }
        }
        let response = self.ask(&path, &HeaderMap::new()).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(self.host.name(), response).await);
        }
        Ok(Blob {
            response,
            continues: false,
        })
    }

    async fn document(&self, path: &str, headers: &HeaderMap) -> Result<(Option<Digest>, Vec<u8>)> {
        let read = async {
            let response = self.ask(path, headers).await?;
            if response.status() != StatusCode::OK {
                return Err(refusal(self.host.name(), response).await);
            }
            let said = response.headers().get("docker-content-digest");
            let said = said.and_then(|said| said.to_str().ok()?.parse().ok());
            Ok((said, transport::body(response, MAX_DOCUMENT).await?))
        };
        in_time(self.host.base(), read).await
    }

    /// Asks, and asks once more with what the registry wants to see.
    async fn ask(&self, path: &str, headers: &HeaderMap) -> Result<Response> {
        let url = self.host.url(&format!("{}/{path}", self.path))?;
        let shown = self.authorization.lock().await.clone();
        let response = self.transport.get(&url, headers, shown.as_ref()).await?;
        // Nobody else's challenge is answered.
        if response.status() != StatusCode::UNAUTHORIZED || response.url().origin() != url.origin() {
            return Ok(response);
        }
        let Some(challenge) = Challenge::of(response.headers()) else {
            return Ok(response);
        };
        match self.authorize(challenge, shown).await? {
            Some(fresh) => self.transport.get(&url, headers, Some(&fresh)).await,
            None => Ok(response),
        }
    }

    /// What to show instead of what was refused, if there is anything else to show.
    async fn authorize(
        &self,
        challenge: Challenge,
        refused: Option<HeaderValue>,
    ) -> Result<Option<HeaderValue>> {
        let mut current = self.authorization.lock().await;
        // Another request has met the same refusal before.
        if *current == refused {
            let credential = self.docker_config.credential(self.host.name()).await?;
            let answer = Answer {
                transport: &self.transport,
                host: &self.host,
                scope: format!("repository:{}:pull", self.path),
                credential,
            };
            *current = Some(answer.to(challenge).await?);
        }
        Ok(current.clone().filter(|fresh| Some(fresh) != refused.as_ref()))
    }
}

impl Blob {
    /// The next piece, in order.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>> {
        transport::piece(&mut self.response).await
    }
}

/// The first byte of what an answer has.
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

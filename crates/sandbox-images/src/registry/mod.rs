//! Registries: who has an image's documents and blobs, and on what terms.

mod auth;
mod credentials;
mod host;
mod refusal;
mod repository;
mod transport;

use std::path::PathBuf;
use std::time::Duration;

use self::credentials::DockerConfig;
use self::host::{Host, PlainHttp};
pub(crate) use self::repository::{Reference, Repository};
use self::transport::Transport;
use crate::name::DOCKER_HUB;
use crate::{ImageName, Result};

/// How registries are reached.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RegistryConfig {
    /// Who is asked for Docker Hub's images before Docker Hub itself: `https://host[:port]`, or `http://host[:port]`,
    /// which allows plain HTTP with it.
    pub mirror: Option<String>,
    /// Registries that are spoken to without TLS, each `host[:port]` as in names of images. So are those on loopback
    /// addresses, and no others.
    pub plain_http: Vec<String>,
    /// Docker's configuration file, with credentials or with the helpers that have them. By default
    /// `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, if there is one.
    pub docker_config: Option<PathBuf>,
    /// How long a registry may be silent; half a minute by default.
    pub silence: Option<Duration>,
}

const SILENCE: Duration = Duration::from_secs(30);

/// All registries.
#[derive(Debug)]
pub(crate) struct Registries {
    transport: Transport,
    docker_config: DockerConfig,
    mirror: Option<Host>,
}

impl Registries {
    pub(crate) fn new(config: RegistryConfig) -> Result<Self> {
        let mut plain = PlainHttp::new(&config.plain_http)?;
        let mirror = config.mirror.as_deref().map(Host::mirror).transpose()?;
        if let Some(mirror) = &mirror {
            plain.allow(mirror);
        }
        Ok(Self {
            transport: Transport::new(plain, config.silence.unwrap_or(SILENCE))?,
            docker_config: config
                .docker_config
                .map_or_else(DockerConfig::of_user, DockerConfig::at),
            mirror,
        })
    }

    /// Who has this image, in the order in which they are asked.
    pub(crate) fn repositories(&self, name: &ImageName) -> Result<Vec<Repository>> {
        let mirror = self
            .mirror
            .iter()
            .filter(|_| name.registry() == DOCKER_HUB)
            .cloned();
        let own = Host::of(name.registry(), self.transport.plain())?;
        let repository = |host| {
            Repository::new(
                host,
                name.repository(),
                self.transport.clone(),
                self.docker_config.clone(),
            )
        };
        Ok(mirror.chain([own]).map(repository).collect())
    }
}

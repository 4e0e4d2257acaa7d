//! The documents of an image: its index, its manifest, its configuration. What OCI and Docker say alike is one type.

use serde::{Deserialize, Deserializer};

use crate::{Digest, Error, ErrorKind, ImageConfig, Result};

/// The longest document that is read.
pub(crate) const MAX_DOCUMENT: usize = 4 * 1024 * 1024;
/// Indexes within indexes.
pub(crate) const MAX_NESTED: usize = 4;
/// The most layers of an image; the kernel's own overlays, and so Docker, stop at 127.
pub(crate) const MAX_LAYERS: usize = 128;

/// Content that a document names.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(deserialize_with = "digest")]
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// In an index.
    pub(crate) platform: Option<Platform>,
    /// In the index of a layout.
    pub(crate) annotations: Option<Annotations>,
}

/// What an index of several images calls one of them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Annotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    pub(crate) reference: Option<String>,
    /// The whole name, beside a reference that is only its tag.
    #[serde(rename = "io.containerd.image.name")]
    pub(crate) name: Option<String>,
}

/// What a manifest of an index is for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
    /// Of the architecture: `v7`.
    pub(crate) variant: Option<String>,
}

/// The manifest of one image.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// Several manifests, for instance one for each platform.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// What a manifest's digest may lead to.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// The configuration file of an image, as far as it matters here.
#[derive(Debug, Clone)]
pub(crate) struct ConfigFile {
    pub(crate) config: ImageConfig,
    /// Of each layer's uncompressed tar, lowest first.
    pub(crate) diff_ids: Vec<Digest>,
}

impl Document {
    /// Reads either, whatever media type it came with: an index has `manifests`, a manifest `layers`, none has both.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "schemaVersion")]
            schema: Option<u64>,
            config: Option<Descriptor>,
            layers: Option<Vec<Descriptor>>,
            manifests: Option<Vec<Descriptor>>,
        }
        let wire: Wire = parse("manifest", bytes)?;
        if wire.schema == Some(1) {
            return Err(invalid(
                "the image has a manifest of Docker's schema 1, which nobody makes any more and nothing here reads",
            ));
        }
        match (wire.manifests, wire.config, wire.layers) {
            (Some(manifests), None, None) => Ok(Self::Index(Index { manifests })),
            (None, Some(config), Some(layers)) => {
                check_layers(layers.len())?;
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            _ => Err(invalid("the document is neither a manifest nor an index of them")),
        }
    }
}

impl ConfigFile {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let wire: WireConfig = parse("configuration", bytes)?;
        check_layers(wire.rootfs.diff_ids.len())?;
        let process = wire.config.unwrap_or_default();
        let env = process.env.unwrap_or_default();
        let working_dir = process.working_dir.filter(|dir| !dir.is_empty());
        if env.iter().chain(&working_dir).any(|text| text.contains('\0')) {
            return Err(invalid(
                "the image's configuration has a NUL in its Env or WorkingDir",
            ));
        }
        // As in runc, what has no `=` is no variable.
        let pair = |text: &String| {
            text.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Ok(Self {
            config: ImageConfig {
                env: env
                    .iter()
                    .filter_map(pair)
                    .filter(|(name, _)| !name.is_empty())
                    .collect(),
                working_dir,
            },
            diff_ids: wire.rootfs.diff_ids.into_iter().map(|id| id.0).collect(),
        })
    }
}

#[derive(Deserialize)]
struct WireConfig {
    config: Option<WireProcess>,
    rootfs: WireRootFs,
}

#[derive(Default, Deserialize)]
struct WireProcess {
    #[serde(rename = "Env")]
    env: Option<Vec<String>>,
    #[serde(rename = "WorkingDir")]
    working_dir: Option<String>,
}

#[derive(Deserialize)]
struct WireRootFs {
    diff_ids: Vec<WireDigest>,
}

#[derive(Deserialize)]
struct WireDigest(#[serde(deserialize_with = "digest")] Digest);

fn digest<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
    String::deserialize(from)?
        .parse()
        .map_err(serde::de::Error::custom)
}

/// Parses a JSON document within the bound.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T> {
    if bytes.len() > MAX_DOCUMENT {
        let message = format!(
            "the image's {what} has {} bytes, more than {MAX_DOCUMENT}",
            bytes.len()
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    serde_json::from_slice(bytes)
        .map_err(|e| invalid(format!("the image's {what} cannot be read")).with_source(e))
}

fn check_layers(count: usize) -> Result<()> {
    if count > MAX_LAYERS {
        let message = format!("the image has {count} layers, more than {MAX_LAYERS}");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sandbox_images::ImageName;

#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// List the images, the one that was used longest ago first
    ///
    /// SIZE counts the files of an image, and what else is kept of it and of no other.
    #[command(visible_alias = "list")]
    Ls(ListImages),
    /// Take an image from an OCI image layout or an archive of it, or from an archive of Docker's
    ///
    /// Those are made by `skopeo copy ... oci:DIRECTORY`, `podman save --format oci-archive` and `docker save`, among
    /// others. Of an image for several platforms, that for this one is taken.
    Import(ImportImage),
    /// Forget names of images, and the images that have no other name and that no session uses
    Rm(RemoveImages),
    /// Remove images that no session uses and that have lost their names to others
    Prune(PruneImages),
}

/// Where images are kept.
#[derive(Debug, Args)]
pub(crate) struct Store {
    /// Where images are kept [default: sandbox/images in ~/.cache]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) image_store: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListImages {
    #[command(flatten)]
    pub(crate) store: Store,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportImage {
    /// The layout's directory, or the archive
    #[arg(value_name = "PATH")]
    pub(crate) layout: PathBuf,
    /// The image's name from then on, such as python:3.11
    #[arg(value_name = "NAME")]
    pub(crate) name: ImageName,
    #[command(flatten)]
    pub(crate) store: Store,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveImages {
    /// Names of images
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<ImageName>,
    #[command(flatten)]
    pub(crate) store: Store,
}

#[derive(Debug, Args)]
pub(crate) struct PruneImages {
    /// Those with a name as well
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) store: Store,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Image {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Ls(list) => list.json,
            Self::Import(import) => import.json,
            Self::Prune(prune) => prune.json,
            Self::Rm(_) => false,
        }
    }
}

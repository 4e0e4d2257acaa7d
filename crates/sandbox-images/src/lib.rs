//! OCI images for sandboxes: kept by content, unpacked into trees.
//!
//! [`Images`] is the whole of it: it finds an image by its [`ImageName`] and answers with a [`Leased`] tree that nobody
//! removes for as long as the lease is held. A [`Puller`] brings in what is not there from the registry that has it.

mod blocking;
mod compression;
mod digest;
mod error;
mod image;
mod images;
mod import;
mod layout;
mod manifest;
mod name;
mod part;
mod platform;
mod pull;
mod registry;
mod store;
mod tar;
mod unpack;

pub use crate::digest::{Digest, ParseDigestError};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::image::{Image, ImageConfig};
pub use crate::images::{Images, Lease, Leased, Pruned};
pub use crate::name::{ImageName, ParseImageNameError};
pub use crate::pull::{ParsePullPolicyError, Progress, Pull, PullPolicy, Puller};
pub use crate::registry::RegistryConfig;

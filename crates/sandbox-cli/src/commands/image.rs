//! The images of this machine. What is done here takes no server, and gets along with those that run.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use chrono::{DateTime, Utc};
use sandbox_images::{ErrorKind, ImageName, Images};
use sandbox_server::ServerConfig;
use serde_json::{Value, json};

use crate::arguments::{Image, ImportImage, ListImages, PruneImages, RemoveImages, Store};
use crate::failure::Failure;
use crate::output::{self, Cell};
use crate::{exit, hint};

/// Enough of a digest to tell images apart.
const DIGITS: usize = 12;

pub(crate) async fn run(image: &Image) -> anyhow::Result<ExitCode> {
    // All of it works on files, and nothing else goes on meanwhile.
    tokio::task::block_in_place(|| match image {
        Image::Ls(list) => ls(list),
        Image::Import(import) => self::import(import),
        Image::Rm(remove) => rm(remove),
        Image::Prune(prune) => self::prune(prune),
    })
}

fn open(store: &Store) -> anyhow::Result<Images> {
    let dir = match &store.image_store {
        Some(dir) => dir.clone(),
        None => ServerConfig::default_image_store().context("no --image-store, and HOME is not set")?,
    };
    Images::open(&dir, None).map_err(|error| failure(error).into())
}

fn ls(list: &ListImages) -> anyhow::Result<ExitCode> {
    let images = open(&list.store)?.list().map_err(failure)?;
    if list.json {
        let images: Vec<_> = images.iter().map(as_json).collect();
        output::json(&json!({ "images": images }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = images.iter().map(row).collect();
    for line in output::table(["NAME", "DIGEST", "SIZE", "USED", "IN USE"], rows) {
        output::line(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(image: &sandbox_images::Image) -> [Cell; 5] {
    let names: Vec<_> = image.names.iter().map(ImageName::to_string).collect();
    let hex = image.digest.hex();
    [
        Cell::new(if names.is_empty() {
            "-".to_owned()
        } else {
            names.join(", ")
        }),
        Cell::new(hex.get(..DIGITS).unwrap_or(&hex)),
        Cell::new(indicatif::HumanBytes(image.bytes)),
        Cell::new(time(image.used).format("%Y-%m-%d %H:%M:%SZ")),
        Cell::new(if image.in_use { "yes" } else { "no" }),
    ]
}

fn as_json(image: &sandbox_images::Image) -> Value {
    let names: Vec<_> = image.names.iter().map(ImageName::to_string).collect();
    json!({
        "names": names,
        "digest": image.digest.to_string(),
        "bytes": image.bytes,
        "createdAt": time(image.created),
        "usedAt": time(image.used),
        "inUse": image.in_use,
    })
}

fn time(at: SystemTime) -> DateTime<Utc> {
    at.into()
}

fn import(import: &ImportImage) -> anyhow::Result<ExitCode> {
    let leased = open(&import.store)?
        .import(&import.layout, &import.name)
        .map_err(failure)?;
    let digest = leased.digest.to_string();
    if import.json {
        output::json(&json!({ "name": import.name.to_string(), "digest": digest }))?;
    } else {
        output::line(&digest)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Forgets all it can, and reports each name that it could not.
fn rm(remove: &RemoveImages) -> anyhow::Result<ExitCode> {
    let images = open(&remove.store)?;
    let mut code = ExitCode::SUCCESS;
    for name in &remove.names {
        if let Err(error) = images.remove(name).map_err(failure) {
            let error = anyhow::Error::from(error).context(format!("cannot remove {name}"));
            output::error(&error, hint::hint(&error, None).as_deref());
            code = exit::code(&error);
        }
    }
    Ok(code)
}

fn prune(prune: &PruneImages) -> anyhow::Result<ExitCode> {
    let pruned = open(&prune.store)?.prune(!prune.all).map_err(failure)?;
    if prune.json {
        output::json(&json!({ "images": pruned.images, "bytes": pruned.bytes }))?;
    } else {
        let bytes = indicatif::HumanBytes(pruned.bytes);
        output::line(&format!("{} images, {bytes}", pruned.images))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn failure(error: sandbox_images::Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::NotFound => exit::NOT_THERE,
        ErrorKind::Invalid | ErrorKind::TooLarge => exit::BAD_VALUE,
        _ => exit::FAILED,
    };
    let message = error.to_string();
    let failure = Failure::new(code, message);
    match std::error::Error::source(&error) {
        Some(cause) => failure.with_source(cause.to_string()),
        None => failure,
    }
}

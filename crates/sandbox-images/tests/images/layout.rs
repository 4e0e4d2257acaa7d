//! Layouts that trials write: layers of entries, an index around them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use sandbox_images::Digest;
use serde_json::{Value, json};

pub(crate) enum Entry<'a> {
    Dir(&'a str, u32),
    File(&'a str, u32, &'a [u8]),
    Symlink(&'a str, &'a str),
    Link(&'a str, &'a str),
    Fifo(&'a str),
}

use Entry::{Dir, Fifo, File, Link, Symlink};

/// A layer, uncompressed. Every entry has another time and another owner.
pub(crate) fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (at, entry) in entries.iter().enumerate() {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_000_000_000 + at as u64);
        header.set_uid(at as u64 % 3 * 1000);
        header.set_gid(at as u64 % 2 * 50);
        let mut content: &[u8] = b"";
        let (path, kind, mode) = match entry {
            Dir(path, mode) => (path, tar::EntryType::Directory, *mode),
            File(path, mode, bytes) => {
                content = bytes;
                (path, tar::EntryType::Regular, *mode)
            }
            Symlink(path, _) => (path, tar::EntryType::Symlink, 0o777),
            Link(path, _) => (path, tar::EntryType::Link, 0o644),
            Fifo(path) => (path, tar::EntryType::Fifo, 0o644),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        match entry {
            Symlink(_, target) | Link(_, target) => tar.append_link(&mut header, path, target).unwrap(),
            _ => tar.append_data(&mut header, path, content).unwrap(),
        }
    }
    tar.into_inner().unwrap()
}

pub(crate) fn gzipped(layer: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(layer).unwrap();
    encoder.finish().unwrap()
}

/// Writes a blob, and gives what a document says of it.
pub(crate) fn blob(dir: &Path, media_type: &str, content: &[u8]) -> Value {
    let digest = Digest::of(content);
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(digest.hex()), content).unwrap();
    json!({"mediaType": media_type, "digest": digest.to_string(), "size": content.len()})
}

/// Writes a whole layout, and gives its manifest's descriptor.
pub(crate) fn write(dir: &Path, layers: &[Vec<u8>]) -> Value {
    const KIND: &str = "application/vnd.oci.image";
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": ["PATH=/usr/bin", "EMPTY="], "WorkingDir": "/srv"},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = blob(
        dir,
        &format!("{KIND}.config.v1+json"),
        config.to_string().as_bytes(),
    );
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| blob(dir, &format!("{KIND}.layer.v1.tar+gzip"), &gzipped(layer)))
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format!("{KIND}.manifest.v1+json"),
        "config": config, "layers": layers,
    });
    let mut manifest = blob(
        dir,
        &format!("{KIND}.manifest.v1+json"),
        manifest.to_string().as_bytes(),
    );
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    index(dir, &[manifest.clone()]);
    manifest
}

pub(crate) fn index(dir: &Path, manifests: &[Value]) {
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
}

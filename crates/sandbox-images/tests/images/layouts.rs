//! What a layout says, and what it lies about.

use std::fs;

use libtest_mimic::Trial;
use sandbox_images::{Digest, ErrorKind, Images};
use serde_json::json;
use tempfile::TempDir;

use crate::layout::{self, Entry};
use crate::{name, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "layouts::the_image_of_this_platform_is_found_in_nested_indexes",
            nested,
        ),
        trial("layouts::what_a_layout_lies_about_is_invalid", lies),
        trial("layouts::what_is_no_file_is_not_waited_for", fifo),
        trial("layouts::a_name_goes_to_the_last_image_that_got_it", names),
        trial("layouts::a_store_without_room_refuses", room),
        trial("layouts::the_configuration_is_kept", configuration),
    ]
}

fn one_file(content: &[u8]) -> Vec<u8> {
    layout::layer(&[Entry::File("file", 0o644, content)])
}

struct Both {
    store: TempDir,
    layout: TempDir,
}

impl Both {
    fn new() -> Self {
        Self {
            store: tempfile::tempdir().unwrap(),
            layout: tempfile::tempdir().unwrap(),
        }
    }

    fn images(&self) -> Images {
        Images::open(self.store.path(), None).unwrap()
    }

    fn refused(&self) -> sandbox_images::Error {
        let error = self.images().import(self.layout.path(), &name()).unwrap_err();
        assert!(self.images().list().unwrap().is_empty());
        assert!(self.images().find(&name()).unwrap().is_none());
        error
    }
}

fn nested() {
    let both = Both::new();
    let dir = both.layout.path();
    let mut ours = layout::write(dir, &[one_file(b"ours")]);
    let mut other = layout::write(dir, &[one_file(b"other")]);
    let architecture = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else {
        "arm64"
    };
    ours["platform"] = json!({"os": "linux", "architecture": architecture});
    other["platform"] = json!({"os": "linux", "architecture": "s390x"});
    let index = json!({"schemaVersion": 2, "manifests": [other, ours]}).to_string();
    let inner = layout::blob(dir, "application/vnd.oci.image.index.v1+json", index.as_bytes());
    layout::index(dir, &[inner]);
    let image = both.images().import(dir, &name()).unwrap();
    assert_eq!(fs::read(image.tree.join("file")).unwrap(), b"ours");
    assert_eq!(image.digest.to_string(), ours["digest"]);

    layout::index(dir, &[other]);
    let empty = tempfile::tempdir().unwrap();
    let error = Images::open(empty.path(), None)
        .unwrap()
        .import(dir, &name())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

fn lies() {
    let layer = one_file(b"content");
    type Spoil = fn(&std::path::Path, &[u8]);
    let spoils: [(&str, Spoil); 5] = [
        ("no index", |dir, _| {
            fs::remove_file(dir.join("index.json")).unwrap()
        }),
        ("an index that is none", |dir, _| {
            fs::write(dir.join("index.json"), "{}").unwrap()
        }),
        ("an index that is too long", |dir, _| {
            let long = format!("{{\"manifests\":[]{}}}", " ".repeat(5 << 20));
            fs::write(dir.join("index.json"), long).unwrap();
        }),
        ("a layer of other content", |dir, layer| {
            let digest = Digest::of(&layout::gzipped(layer));
            let other = vec![0; layout::gzipped(layer).len()];
            fs::write(dir.join("blobs/sha256").join(digest.hex()), other).unwrap();
        }),
        ("a layer that ends early", |dir, layer| {
            let digest = Digest::of(&layout::gzipped(layer));
            fs::write(dir.join("blobs/sha256").join(digest.hex()), "short").unwrap();
        }),
    ];
    for (what, spoil) in spoils {
        let both = Both::new();
        layout::write(both.layout.path(), std::slice::from_ref(&layer));
        spoil(both.layout.path(), &layer);
        let kind = both.refused().kind();
        let expected = if what.ends_with("too long") {
            ErrorKind::TooLarge
        } else {
            ErrorKind::Invalid
        };
        assert_eq!(kind, expected, "{what}");
        // And what was said first does not stay.
        layout::write(both.layout.path(), std::slice::from_ref(&layer));
        both.images().import(both.layout.path(), &name()).unwrap();
    }
}

fn fifo() {
    let both = Both::new();
    layout::write(both.layout.path(), &[one_file(b"")]);
    let index = both.layout.path().join("index.json");
    fs::remove_file(&index).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&index).status().unwrap();
    assert!(made.success());
    assert_eq!(both.refused().kind(), ErrorKind::Invalid);
}

fn names() {
    let both = Both::new();
    let images = both.images();
    for content in [b"one", b"two"] {
        layout::write(both.layout.path(), &[one_file(content)]);
        images.import(both.layout.path(), &name()).unwrap();
    }
    let found = images.find(&name()).unwrap().unwrap();
    assert_eq!(fs::read(found.tree.join("file")).unwrap(), b"two");
    let list = images.list().unwrap();
    assert_eq!(list.iter().map(|image| image.names.len()).sum::<usize>(), 1);
    assert_eq!(list.len(), 2);
    assert_eq!(images.prune(true).unwrap().images, 1);
    let by_digest = format!("example@{}", found.digest).parse().unwrap();
    assert_eq!(images.find(&by_digest).unwrap().unwrap().tree, found.tree);
    drop(found);
    images.remove(&name()).unwrap();
    assert_eq!(images.remove(&name()).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(images.list().unwrap().is_empty());
}

fn room() {
    let both = Both::new();
    layout::write(both.layout.path(), &[one_file(&[7; 100_000])]);
    let images = Images::open(both.store.path(), Some(100)).unwrap();
    let error = images.import(both.layout.path(), &name()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}

fn configuration() {
    let both = Both::new();
    layout::write(both.layout.path(), &[one_file(b"")]);
    let config = both.images().import(both.layout.path(), &name()).unwrap().config;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(config.env, [pair("PATH", "/usr/bin"), pair("EMPTY", "")]);
    assert_eq!(config.working_dir.as_deref(), Some("/srv"));
}

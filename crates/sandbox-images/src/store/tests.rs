use std::fs;
use std::os::unix::fs::symlink;

use super::{Layer, Store};
use crate::{Digest, ErrorKind, Result};

type Item<'a> = (&'a str, char, &'a str);

fn layer(items: &[Item<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, content) in items {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_mode(0o755);
        header.set_mtime(1_000_000);
        header.set_entry_type(match kind {
            'd' => tar::EntryType::Directory,
            'l' => tar::EntryType::Symlink,
            'h' => tar::EntryType::Link,
            _ => tar::EntryType::Regular,
        });
        let body = if *kind == 'f' { content.as_bytes() } else { b"" };
        if body.is_empty() {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(body.len() as u64);
        header.set_cksum();
        tar.append(&header, body).unwrap();
    }
    tar.into_inner().unwrap()
}

fn stored(store: &Store, content: &[u8]) -> Layer {
    let digest = Digest::of(content);
    let mut download = store.download(&digest, content.len() as u64).unwrap();
    download
        .write(&content[usize::try_from(download.offset()).unwrap()..])
        .unwrap();
    Layer {
        digest,
        blob: download.finish().unwrap(),
    }
}

fn unpacked(store: &Store, layers: &[Vec<u8>]) -> Result<crate::Leased> {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config =
        serde_json::json!({ "config": { "Env": ["A=b"] }, "rootfs": { "diff_ids": ids } }).to_string();
    let layers = layers.iter().map(|content| stored(store, content)).collect();
    store.unpack(Digest::of(config.as_bytes()), config.as_bytes(), layers)
}

#[test]
fn whiteouts_hide_lower_layers_and_only_those() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), None).unwrap();
    let lower = layer(&[
        ("a/x", 'f', "x"),
        ("a/y", 'f', "y"),
        ("b/z", 'f', "z"),
        ("c", 'f', "c"),
        ("d", 'h', "c"),
    ]);
    let upper = layer(&[
        ("a/new", 'f', "n"),
        ("a/.wh..wh..opq", 'f', ""),
        ("b/.wh.z", 'f', ""),
        (".wh.c", 'f', ""),
    ]);
    let image = unpacked(&store, &[lower, upper]).unwrap();
    let has = |path: &str| image.tree.join(path).exists();
    assert_eq!(
        ["a/new", "a/x", "a/y", "b", "b/z", "c", "d"].map(has),
        [true, false, false, true, false, false, true]
    );
    assert_eq!(image.config.env, [("A".to_owned(), "b".to_owned())]);
}

#[test]
fn hostile_layers_are_refused_and_leave_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    for items in [
        vec![("../out", 'f', "x")],
        vec![("a", 'h', "/etc/passwd")],
        vec![("a", 'h', "../../etc/passwd")],
        vec![("a", 'l', "a"), ("a/b", 'f', "x")],
        vec![("a", 'f', "x"), ("a/b", 'f', "x")],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), None).unwrap();
        assert_eq!(
            unpacked(&store, &[layer(&items)]).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{items:?}"
        );
        assert_eq!(fs::read_dir(dir.path().join("work")).unwrap().count(), 0);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), None).unwrap();
    fs::write(outside.path().join("kept"), "").unwrap();
    symlink("kept", outside.path().join("link")).unwrap();
    let through = layer(&[
        ("out", 'l', target),
        ("out/file", 'f', "x"),
        ("out/.wh.kept", 'f', ""),
    ]);
    unpacked(&store, &[through]).unwrap();
    assert!(outside.path().join("kept").exists() && !outside.path().join("file").exists());
}

#[test]
fn an_image_in_use_is_not_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), None).unwrap();
    let image = unpacked(&store, &[layer(&[("a", 'f', "x")])]).unwrap();
    assert_eq!(store.prune(false).unwrap().images, 0);
    drop(image);
    assert_eq!(store.prune(false).unwrap().images, 1);
    assert!(store.list().unwrap().is_empty());
}

//! What is unpacked is what umoci unpacks.

use std::fs;
use std::process::Command;

use libtest_mimic::Trial;
use sandbox_images::Images;

use crate::layout::Entry::{Dir, Fifo, File, Link, Symlink};
use crate::{layout, name, tree, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let trial = trial("others::umoci_unpacks_the_same", umoci);
    // It keeps owners only as root. In CI it has to be there.
    let ignored = !rustix::process::geteuid().is_root() || !is_there();
    vec![trial.with_ignored_flag(ignored)]
}

fn is_there() -> bool {
    std::env::var_os("CI").is_some() || Command::new("umoci").arg("--version").output().is_ok()
}

fn umoci() {
    let long = format!("long/{}/{}", "d".repeat(120), "f".repeat(200));
    let layers = [
        layout::layer(&[
            Dir("bin", 0o755),
            File("bin/tool", 0o4755, b"#!/bin/sh\n"),
            Link("bin/same", "bin/tool"),
            Symlink("sbin", "bin"),
            Symlink("absolute", "/bin/tool"),
            Dir("opaque", 0o750),
            File("opaque/lower", 0o600, b"lower"),
            File("opaque/both", 0o600, b"lower"),
            Dir("gone", 0o755),
            File("gone/a", 0o644, b"a"),
            File("kept/b", 0o644, b"b"),
            File("kept/c", 0o644, b"c"),
            File("becomes-dir", 0o644, b"file"),
            Dir("becomes-file", 0o755),
            File("becomes-file/inner", 0o644, b"inner"),
            Dir("tmp", 0o1777),
            File(&long, 0o644, b"long"),
            File("empty", 0o000, b""),
            File("large", 0o644, &[7; 1_000_003]),
        ]),
        layout::layer(&[
            File("opaque/.wh..wh..opq", 0o644, b""),
            File("opaque/both", 0o640, b"upper"),
            File(".wh.gone", 0o644, b""),
            File("kept/.wh.b", 0o644, b""),
            Dir("becomes-dir", 0o700),
            File("becomes-dir/inner", 0o644, b"inner"),
            File("becomes-file", 0o644, b"file now"),
            File("sbin/through-a-link", 0o755, b"x"),
        ]),
        layout::layer(&[
            Dir("gone", 0o711),
            File("gone/again", 0o644, b"again"),
            File("bin/tool", 0o755, b"replaced\n"),
            File("kept/.wh.c", 0o644, b""),
            File("kept/c", 0o600, b"another"),
        ]),
    ];
    let (dir, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    layout::write(source.path(), &layers);
    let bundle = dir.path().join("bundle");
    let unpacked = Command::new("umoci")
        .args(["unpack", "--image"])
        .arg(format!("{}:latest", source.path().display()))
        .arg(&bundle)
        .output()
        .expect("umoci is started");
    assert!(
        unpacked.status.success(),
        "{}",
        String::from_utf8_lossy(&unpacked.stderr)
    );

    let images = Images::open(dir.path().join("store"), None).unwrap();
    let image = images.import(source.path(), &name()).unwrap();
    let (ours, theirs) = (tree::entries(&image.tree), tree::entries(&bundle.join("rootfs")));
    assert!(ours.len() > 20);
    for (path, text) in &ours {
        assert_eq!(theirs.get(path), Some(text), "{}", path.display());
    }
    assert_eq!(ours.len(), theirs.len());

    // Devices and fifos have no business in a sandbox's image.
    let with_fifo = layout::layer(&[Fifo("pipe"), File("file", 0o644, b"")]);
    layout::write(source.path(), &[with_fifo]);
    let image = images.import(source.path(), &name()).unwrap();
    assert_eq!(fs::read_dir(&image.tree).unwrap().count(), 1);
}

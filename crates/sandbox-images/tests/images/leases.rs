//! An image that some process uses stays.

use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use sandbox_images::Images;

use crate::layout::{self, Entry};
use crate::{IMPORT, name, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "leases::another_process_keeps_an_image_until_it_is_killed",
        another,
    )]
}

fn another() {
    let (dir, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = dir.path().join("store");
    layout::write(
        source.path(),
        &[layout::layer(&[Entry::File("file", 0o644, b"x")])],
    );
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(IMPORT)
        .args([&store, source.path()])
        .arg("wait")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    while !store.with_extension("leased").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let images = Images::open(&store, None).unwrap();
    assert!(images.list().unwrap()[0].in_use);
    assert_eq!(images.prune(false).unwrap().images, 0);
    // Its name goes, the image does not.
    images.remove(&name()).unwrap();
    assert_eq!(images.list().unwrap().len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!images.list().unwrap()[0].in_use);
    assert_eq!(images.prune(false).unwrap().images, 1);
    assert!(images.list().unwrap().is_empty());
}

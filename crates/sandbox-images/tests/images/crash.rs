//! Killed at any moment, a store is consistent, and the same import completes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use libtest_mimic::Trial;
use sandbox_images::Images;

use crate::layout::{self, Entry};
use crate::{IMPORT, name, tree, trial};

const ROUNDS: u64 = 30;
const SEED: u64 = 6;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "crash::killed_at_random_moments_a_store_is_consistent",
        killed,
    )]
}

fn layers() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut content = vec![0; 64 << 10];
    (0..4)
        .map(|layer| {
            let files: Vec<_> = (0..10).map(|file| format!("layer-{layer}/{file}")).collect();
            let entries: Vec<_> = files
                .iter()
                .map(|path| {
                    content[..4096].fill_with(|| random.u8(..));
                    layout::layer(&[Entry::File(path, 0o644, &content)])
                })
                .collect();
            // Archives without their end marks, one after the other.
            let mut whole: Vec<u8> = entries
                .iter()
                .flat_map(|tar| &tar[..tar.len() - 1024])
                .copied()
                .collect();
            whole.extend([0; 1024]);
            whole
        })
        .collect()
}

fn importing(store: &Path, layout: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(IMPORT).args([store, layout]).stdin(Stdio::null());
    command
}

fn killed() {
    let (dir, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    layout::write(source.path(), &layers());
    let reference = dir.path().join("reference");
    let start = Instant::now();
    assert!(importing(&reference, source.path()).status().unwrap().success());
    let whole = start.elapsed();
    let expected = {
        let images = Images::open(&reference, None).unwrap();
        tree::entries(&images.find(&name()).unwrap().unwrap().tree)
    };
    assert!(expected.len() > 40);

    let mut random = fastrand::Rng::with_seed(SEED);
    let (mut interrupted, store) = (0, dir.path().join("store"));
    for round in 0..ROUNDS {
        let mut child = importing(&store, source.path()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(random.f64() * 1.1));
        let _ = child.kill();
        interrupted += u64::from(!child.wait().unwrap().success());

        // As it was left it has the image whole or not at all.
        let images = Images::open(&store, None).unwrap();
        if let Some(image) = images.find(&name()).unwrap() {
            assert!(
                tree::entries(&image.tree) == expected,
                "round {round} has left another tree"
            );
        }
        assert_eq!(
            fs::read_dir(store.join("work")).unwrap().count(),
            0,
            "round {round} has left something"
        );
        let image = images.import(source.path(), &name()).unwrap();
        assert!(
            tree::entries(&image.tree) == expected,
            "round {round} has made another tree"
        );
        drop(image);
        assert_eq!(images.prune(false).unwrap().images, 1);
        if random.bool() {
            fs::remove_dir_all(&store).unwrap();
        }
    }
    assert!(interrupted > ROUNDS / 4, "only {interrupted} were interrupted");
}

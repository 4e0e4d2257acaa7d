//! What is copied, and whether it arrived.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

/// Where files lie in memory on this machine.
const MEMORY: &str = "/dev/shm";

/// A directory of this machine's side.
pub(crate) struct Samples {
    directory: TempDir,
    compared: Mutex<Vec<String>>,
}

impl Samples {
    pub(crate) fn in_memory() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("sandbox-bench-")
            .tempdir_in(MEMORY);
        Self {
            directory: directory.expect("a directory in memory"),
            compared: Mutex::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: u64) -> String {
        fs::write(self.path(name), incompressible(0, bytes)).expect("room in memory");
        name.to_owned()
    }

    pub(crate) fn folder(&self, name: &str, files: usize, bytes: u64) -> String {
        fs::create_dir(self.path(name)).expect("a folder");
        for number in 0..files {
            let path = self.path(name).join(format!("file-{number}"));
            fs::write(path, incompressible(number as u64, bytes)).expect("room in memory");
        }
        name.to_owned()
    }

    /// Whether this copy is the first of its `kind`.
    pub(crate) fn is_first(&self, kind: String) -> bool {
        let mut compared = self.compared.lock().expect("nobody panicked");
        let first = !compared.contains(&kind);
        if first {
            compared.push(kind);
        }
        first
    }

    /// Panics if the copy of the sample is not what the sample is.
    pub(crate) fn compare(&self, name: &str, copy: &Path) {
        assert!(
            is_same(&self.path(name), copy),
            "{} is no copy of {name}",
            copy.display()
        );
    }
}

/// Removes a file or a folder, if it is there.
pub(crate) fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).expect("it is removed");
    } else if path.exists() {
        fs::remove_file(path).expect("it is removed");
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    if one.is_file() {
        return fs::read(one).expect("it is read") == fs::read(other).expect("it is read");
    }
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("it is read");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort_unstable();
        names
    };
    let theirs = names(one);
    theirs == names(other)
        && theirs
            .iter()
            .all(|name| is_same(&one.join(name), &other.join(name)))
}

/// The output of a small generator of random numbers.
fn incompressible(seed: u64, bytes: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).to_le_bytes()
    };
    (0..bytes / 8).flat_map(|_| next()).collect()
}

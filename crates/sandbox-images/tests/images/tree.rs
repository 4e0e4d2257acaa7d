//! What a tree has, entry by entry.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything below a directory, each path with all that can be told of it. Names of one file are told together, by the
/// first of them.
pub(crate) fn entries(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut entries = BTreeMap::new();
    add(root, Path::new(""), &mut entries);
    let mut inodes = BTreeMap::new();
    for (path, text) in &mut entries {
        let metadata = fs::symlink_metadata(root.join(path)).unwrap();
        if !metadata.is_dir() && metadata.nlink() > 1 {
            let first = inodes.entry(metadata.ino()).or_insert_with(|| path.clone());
            text.push_str(&format!(" is {}", first.display()));
        }
    }
    entries
}

fn add(root: &Path, path: &Path, entries: &mut BTreeMap<PathBuf, String>) {
    let whole = root.join(path);
    let metadata = fs::symlink_metadata(&whole).unwrap();
    let mut text = format!("{:o} {}:{}", metadata.mode(), metadata.uid(), metadata.gid());
    if metadata.is_dir() {
        let mut names: Vec<_> = fs::read_dir(&whole)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        for name in names {
            add(root, &path.join(name), entries);
        }
    } else {
        text.push_str(&format!(" {} {} bytes", metadata.mtime(), metadata.len()));
    }
    if metadata.is_symlink() {
        text.push_str(&format!(" to {}", fs::read_link(&whole).unwrap().display()));
    } else if metadata.is_file() {
        text.push_str(&format!(
            " {}",
            sandbox_images::Digest::of(&fs::read(&whole).unwrap())
        ));
    }
    entries.insert(path.to_owned(), text);
}

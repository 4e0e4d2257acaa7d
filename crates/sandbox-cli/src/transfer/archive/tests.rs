use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::{Skipped, pack, unpack};

/// One entry of an archive: its kind, its name, and the target or content.
type Item<'a> = (EntryType, &'a [u8], &'a [u8]);

const FILE: EntryType = EntryType::Regular;
const FOLDER: EntryType = EntryType::Directory;
const LINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;

/// An archive with names that the library would refuse to write.
fn archive(items: &[Item<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for &(kind, name, value) in items {
        let mut header = Header::new_gnu();
        let is_link = matches!(kind, LINK | HARD);
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name);
        if is_link {
            old.linkname[..value.len()].copy_from_slice(value);
        }
        let content = if is_link { &[] } else { value };
        header.set_entry_type(kind);
        header.set_mode(0o6755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A place with something beside the folder that an archive could try to reach.
struct Target {
    place: TempDir,
}

impl Target {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("victim"), "untouched").unwrap();
        Self { place }
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("out")
    }

    fn unpack(&self, items: &[Item<'_>]) -> io::Result<Skipped> {
        unpack(archive(items).as_slice(), &self.root())
    }

    /// Whatever came of it, nothing beside the folder was made or changed, and nothing in it leads out.
    fn assert_contained(&self) {
        assert_eq!(
            fs::read_to_string(self.place.path().join("victim")).unwrap(),
            "untouched"
        );
        let mut names: Vec<_> = fs::read_dir(self.place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert!(names == ["out", "victim"] || names == ["victim"], "{names:?}");
        assert_inside(&self.root(), &self.root().canonicalize().unwrap());
    }
}

fn assert_inside(folder: &Path, root: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if let Ok(target) = entry.path().canonicalize() {
            assert!(target.starts_with(root), "{:?} leads to {target:?}", entry.path());
        }
        if entry.file_type().unwrap().is_dir() {
            assert_inside(&entry.path(), root);
        }
    }
}

#[test]
fn a_folder_arrives_as_it_was() {
    let from = tempfile::tempdir().unwrap();
    let long = "n".repeat(200);
    let odd = OsStr::from_bytes(b"not \xff utf-8\n");
    fs::create_dir_all(from.path().join("a/empty")).unwrap();
    fs::write(from.path().join("a").join(&long), "long").unwrap();
    fs::write(from.path().join(odd), "odd").unwrap();
    fs::write(from.path().join("tool"), vec![0; 100_000]).unwrap();
    fs::set_permissions(from.path().join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../tool", from.path().join("a/link")).unwrap();
    symlink("/etc/passwd", from.path().join("out")).unwrap();

    let mut bytes = Vec::new();
    assert!(pack(from.path(), &mut bytes).unwrap().describe().is_none());
    let to = tempfile::tempdir().unwrap();
    let skipped = unpack(bytes.as_slice(), &to.path().join("out")).unwrap();

    let root = to.path().join("out/folder");
    assert!(root.join("a/empty").is_dir());
    assert_eq!(fs::read(root.join("a").join(&long)).unwrap(), b"long");
    assert_eq!(fs::read(root.join(odd)).unwrap(), b"odd");
    assert_eq!(fs::read(root.join("a/link")).unwrap(), vec![0; 100_000]);
    let mode = fs::metadata(root.join("tool")).unwrap().permissions().mode();
    assert_eq!(mode & 0o700, 0o700);
    let told = skipped.describe().unwrap();
    assert!(
        told.ends_with("links inside the folder: \"folder/out\""),
        "{told}"
    );
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in [
        &b"../victim"[..],
        b"a/../../victim",
        b"/tmp/victim",
        b"..",
        b"./../victim",
    ] {
        for kind in [FILE, FOLDER, LINK, HARD] {
            let target = Target::new();
            let error = target.unpack(&[(kind, name, b"x")]).unwrap_err().to_string();
            assert!(error.contains("leads out of the folder"), "{error}");
            target.assert_contained();
        }
    }
}

#[test]
fn nothing_is_written_through_links() {
    let outside: [&[&[Item<'_>]]; 1] = [&[
        &[(LINK, b"l", b".."), (FILE, b"l/victim", b"x")],
        &[(LINK, b"l", b"../victim"), (FILE, b"l", b"x")],
        &[
            (FOLDER, b"l", b""),
            (LINK, b"l", b".."),
            (FILE, b"l/victim", b"x"),
        ],
        &[(FOLDER, b"d", b""), (LINK, b"l", b"d"), (FILE, b"l/f", b"x")],
        &[(LINK, b"l", b"../victim"), (HARD, b"h", b"l"), (FILE, b"h", b"x")],
        &[(HARD, b"h", b"../victim"), (FILE, b"h", b"x")],
    ]];
    for items in outside.concat() {
        let target = Target::new();
        let _ = target.unpack(items);
        target.assert_contained();
    }
}

#[test]
fn links_that_lead_out_are_left_out() {
    for escape in [
        &b"/etc"[..],
        b"..",
        b"../victim",
        b"d/../../victim",
        b"d/..",
        b"./../victim",
        b"",
    ] {
        let target = Target::new();
        let skipped = target
            .unpack(&[(FOLDER, b"d", b""), (LINK, b"l", escape)])
            .unwrap();
        assert!(skipped.describe().unwrap().contains("\"l\""));
        assert!(target.root().join("l").symlink_metadata().is_err());
        target.assert_contained();
    }
}

#[test]
fn links_below_links_are_refused() {
    // `p/d` leads to the folder itself, so that `p/d/x` would be made there, where `../..` leads out.
    let target = Target::new();
    let items: [Item<'_>; 3] = [
        (FOLDER, b"p", b""),
        (LINK, b"p/d", b"../q"),
        (LINK, b"p/d/x", b"../../victim"),
    ];
    let items = [&[(FOLDER, &b"q"[..], &b""[..])], &items[..]].concat();
    let error = target.unpack(&items).unwrap_err().to_string();
    assert!(error.contains("below a link"), "{error}");
    target.assert_contained();
}

#[test]
fn links_that_stay_inside_are_made() {
    let target = Target::new();
    let skipped = target
        .unpack(&[
            (FOLDER, b"./", b""),
            (FOLDER, b"./a", b""),
            (FOLDER, b"./a/b", b""),
            (FILE, b"./f", b"content"),
            (LINK, b"./a/b/up", b"../../f"),
            (LINK, b"./a/root", b".."),
            (HARD, b"./hard", b"./f"),
            (HARD, b"./a/b/up2", b"./a/b/up"),
        ])
        .unwrap();
    assert!(skipped.describe().is_none(), "{skipped:?}");
    for name in ["a/b/up", "a/root/f", "hard", "a/b/up2"] {
        assert_eq!(fs::read(target.root().join(name)).unwrap(), b"content", "{name}");
    }
    target.assert_contained();
}

#[test]
fn nothing_special_is_made_and_no_rights_are_lent() {
    let target = Target::new();
    let special = [
        EntryType::Block,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::Continuous,
    ];
    let mut items: Vec<Item<'_>> = special.iter().map(|&kind| (kind, &b"s"[..], &b""[..])).collect();
    items.extend([(FILE, &b"setuid"[..], &b""[..]), (HARD, b"further", b"s")]);
    let told = target.unpack(&items).unwrap().describe().unwrap();
    assert!(
        told.ends_with("\"s\", \"s\", \"s\", \"s\", \"s\", 1 more"),
        "{told}"
    );
    let mode = fs::metadata(target.root().join("setuid"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7000, 0);
    target.assert_contained();
}

#[test]
fn a_file_is_written_once() {
    let target = Target::new();
    assert!(target.unpack(&[(FILE, b"f", b"1"), (FILE, b"f", b"2")]).is_err());
    assert!(
        Target::new()
            .unpack(&[(FILE, b"f", b""), (FILE, b"f/g", b"")])
            .is_err()
    );
    assert!(
        Target::new()
            .unpack(&[(FILE, b"f", b""), (LINK, b"f", b"g")])
            .is_err()
    );
}

#[test]
fn names_have_a_bound() {
    let mut bytes = archive(&[(EntryType::GNULongName, b"././@LongLink", &[b'n'; 5000])]);
    bytes.truncate(512 + 5120);
    bytes.extend(archive(&[(FILE, b"f", b"")]));
    let target = Target::new();
    let error = unpack(bytes.as_slice(), &target.root()).unwrap_err().to_string();
    assert!(error.contains("too long"), "{error}");
}

#[test]
fn what_is_cut_off_or_no_archive_is_an_error() {
    let whole = archive(&[(FILE, b"f", &[7; 5000])]);
    for length in [100, 600, 4000] {
        let target = Target::new();
        let cut = whole.get(..length).unwrap();
        assert!(unpack(cut, &target.root()).is_err(), "{length}");
    }
    assert!(unpack(&[7; 2048][..], &Target::new().root()).is_err());
}

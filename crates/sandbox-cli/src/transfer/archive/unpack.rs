//! What comes out of a session may have been made by an attacker.
//!
//! While an archive is unpacked, the folder holds nothing but directories and regular files that were made here, so that
//! a name without `..` cannot lead out of it. Symbolic links are made last, and only those that stay inside.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use super::{Skipped, named};

/// The longest name in an archive, in bytes: longer ones are no paths.
const NAME_LIMIT: u64 = 4096;

/// Unpacks an archive of a folder as `root`, which is not there yet.
///
/// # Errors
///
/// For an archive that is cut off within an entry, that is no archive, or whose names lead anywhere else.
pub(in crate::transfer) fn unpack(mut archive: impl Read, root: &Path) -> io::Result<Skipped> {
    let mut unpacking = Unpacking {
        root,
        links: BTreeMap::new(),
        skipped: Skipped::default(),
    };
    make_folder(root, 0o755)?;
    let (mut long_name, mut long_target) = (None, None);
    // Raw, because the library would read names of any length into memory.
    for entry in Archive::new(&mut archive).entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long_name = Some(read_name(&mut entry)?),
            EntryType::GNULongLink => long_target = Some(read_name(&mut entry)?),
            _ => {
                let name = long_name
                    .take()
                    .unwrap_or_else(|| entry.header().path_bytes().into_owned());
                unpacking.entry(&mut entry, &name, long_target.take())?;
            }
        }
    }
    // What follows is padding; who sends it should not find that nobody reads it.
    io::copy(&mut archive, &mut io::sink())?;
    unpacking.make_links()?;
    Ok(unpacking.skipped)
}

fn read_name(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    if entry.header().entry_size()? > NAME_LIMIT {
        return Err(io::Error::other("the archive holds a name that is too long"));
    }
    let mut name = Vec::new();
    entry.read_to_end(&mut name)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

struct Unpacking<'a> {
    root: &'a Path,
    /// Names and targets of the links that are to be made.
    links: BTreeMap<PathBuf, PathBuf>,
    skipped: Skipped,
}

impl Unpacking<'_> {
    fn entry(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        name: &[u8],
        long_target: Option<Vec<u8>>,
    ) -> io::Result<()> {
        let name = inside(name)?;
        let path = self.root.join(&name);
        let mode = entry.header().mode()?;
        let target = || {
            let target =
                long_target.or_else(|| entry.header().link_name_bytes().map(|name| name.into_owned()));
            target.unwrap_or_default()
        };
        match entry.header().entry_type() {
            EntryType::Directory => make_folder(&path, mode),
            EntryType::Regular => write_file(entry, &path, mode).map_err(|error| named(&name, error)),
            EntryType::Link => self.further_name(name, &inside(&target())?),
            EntryType::Symlink => {
                self.link(name, PathBuf::from(OsStr::from_bytes(&target())));
                Ok(())
            }
            _ => {
                self.skipped.add(&name);
                Ok(())
            }
        }
    }

    fn link(&mut self, name: PathBuf, target: PathBuf) {
        if stays_inside(&name, &target) {
            self.links.insert(name, target);
        } else {
            self.skipped.add(&name);
        }
    }

    /// A hard link: to a file, or to a link, which is yet to be made.
    fn further_name(&mut self, name: PathBuf, first: &Path) -> io::Result<()> {
        if let Some(target) = self.links.get(first).cloned() {
            self.link(name, target);
            return Ok(());
        }
        match fs::hard_link(self.root.join(first), self.root.join(&name)) {
            // Its first name was left out.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.skipped.add(&name);
                Ok(())
            }
            made => made.map_err(|error| named(&name, error)),
        }
    }

    /// Nothing is written any more, so that nothing can be written through them.
    fn make_links(&mut self) -> io::Result<()> {
        for (name, target) in &self.links {
            // Through another link it would be made elsewhere than its name says.
            if name
                .ancestors()
                .skip(1)
                .any(|above| self.links.contains_key(above))
            {
                return Err(io::Error::other(format!(
                    "the archive holds {name:?}, which is below a link"
                )));
            }
            symlink(target, self.root.join(name)).map_err(|error| named(name, error))?;
        }
        Ok(())
    }
}

/// A name that only leads down.
fn inside(name: &[u8]) -> io::Result<PathBuf> {
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => path.push(part),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                let name = String::from_utf8_lossy(name);
                return Err(io::Error::other(format!(
                    "the archive holds {name:?}, which leads out of the folder"
                )));
            }
        }
    }
    Ok(path)
}

/// Whether a link at `name` leads to something in the folder: first up, but not out of it, and then only down. The part
/// that leads up is through folders, the rest through names in the folder, which may be links themselves that stay
/// inside. A `..` behind a name could be one behind a link, and lead anywhere.
fn stays_inside(name: &Path, target: &Path) -> bool {
    let depth = name.components().count().saturating_sub(1);
    let mut up = 0;
    let mut down = false;
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => down = true,
            Component::ParentDir if !down && up < depth => up += 1,
            _ => return false,
        }
    }
    up > 0 || down
}

/// The owner keeps all rights, to be able to fill and to delete it.
fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode((mode & 0o777) | 0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Never a file that is there, and never with the bits that lend rights.
fn write_file(entry: &mut impl Read, path: &Path, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode & 0o777)
        .open(path)?;
    io::copy(entry, &mut file)?;
    Ok(())
}

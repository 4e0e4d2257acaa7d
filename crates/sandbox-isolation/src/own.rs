//! This program, as a sandbox starts it again.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::sys;

/// The executable, and what it takes to load it where there are not the host's libraries.
#[derive(Debug)]
pub(crate) struct OwnProgram {
    pub(crate) executable: OwnedFd,
    /// Where there is none, the kernel finds it by itself.
    pub(crate) loader: Option<Loader>,
}

impl From<OwnedFd> for OwnProgram {
    fn from(executable: OwnedFd) -> Self {
        Self {
            executable,
            loader: None,
        }
    }
}

/// A dynamic loader, and the one directory it finds all libraries in.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    pub(crate) path: PathBuf,
    pub(crate) libraries: PathBuf,
}

impl Loader {
    /// Its arguments before those of the program, which it opens through a descriptor that has to stay open.
    pub(crate) fn arguments(&self, executable: BorrowedFd<'_>) -> [OsString; 4] {
        [
            self.path.clone().into(),
            "--library-path".into(),
            self.libraries.clone().into(),
            format!("/proc/self/fd/{}", executable.as_raw_fd()).into(),
        ]
    }
}

/// The files that this process was loaded from, but for its executable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) loader: PathBuf,
    /// The loader among them.
    pub(crate) files: BTreeSet<PathBuf>,
}

impl Loaded {
    /// `None` for a program that is linked statically.
    pub(crate) fn find() -> io::Result<Option<Self>> {
        let executable = fs::read_link("/proc/self/exe")?;
        Ok(Self::among(
            &fs::read("/proc/self/maps")?,
            &executable,
            sys::loader_address(),
        ))
    }

    fn among(maps: &[u8], executable: &Path, loader_address: u64) -> Option<Self> {
        let mut loader = None;
        let mut files = BTreeSet::new();
        for (range, permissions, path) in maps.split(|byte| *byte == b'\n').filter_map(mapping) {
            if range.contains(&loader_address) {
                loader = Some(path.clone());
            }
            if permissions.contains(&b'x') && path != executable {
                files.insert(path);
            }
        }
        loader.map(|loader| Self { loader, files })
    }
}

/// A line `first-end permissions offset device inode path` of a file that is mapped.
fn mapping(line: &[u8]) -> Option<(std::ops::Range<u64>, &[u8], PathBuf)> {
    let mut words = line.splitn(6, |byte| *byte == b' ').map(<[u8]>::trim_ascii_start);
    let range = std::str::from_utf8(words.next()?).ok()?;
    let (first, end) = range.split_once('-')?;
    let permissions = words.next()?;
    let path = words.nth(3)?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    path.starts_with(b"/").then(|| {
        Some((
            number(first)?..number(end)?,
            permissions,
            OsStr::from_bytes(path).into(),
        ))
    })?
}

/// What a [`Plan`](crate::spawn::Plan) executes for this program.
pub(crate) enum Execution<'a> {
    /// The executable itself.
    Direct(BorrowedFd<'a>),
    /// The loader, which is to find the executable open.
    Loaded {
        loader: CString,
        executable: BorrowedFd<'a>,
    },
}

impl OwnProgram {
    pub(crate) fn execution(&self) -> io::Result<(Execution<'_>, Option<[OsString; 4]>)> {
        let executable = self.executable.as_fd();
        let Some(loader) = &self.loader else {
            return Ok((Execution::Direct(executable), None));
        };
        let path = CString::new(loader.path.clone().into_os_string().into_vec())?;
        let execution = Execution::Loaded {
            loader: path,
            executable,
        };
        Ok((execution, Some(loader.arguments(executable))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_loader_and_the_libraries() {
        let maps = b"55d0-55d1 r--p 00000000 08:01 10   /opt/a program\n\
            55d1-55d9 r-xp 00000000 08:01 10   /opt/a program\n\
            55e0-55e1 rw-p 00000000 00:00 0    [heap]\n\
            7000-7001 r--p 00000000 08:01 11   /lib/libc.so.6\n\
            7001-7002 r-xp 00001000 08:01 11   /lib/libc.so.6\n\
            7010-7011 r--p 00000000 08:01 13   /etc/some.data\n\
            7fe0-7fe1 r--p 00000000 08:01 12   /lib/ld.so.2\n\
            7fe1-7fe2 r-xp 00000000 08:01 12   /lib/ld.so.2\n\
            7ff0-7ff1 r-xp 00000000 00:00 0    [vdso]\n";
        let found = Loaded::among(maps, Path::new("/opt/a program"), 0x7fe0).unwrap();
        assert_eq!(found.loader, Path::new("/lib/ld.so.2"));
        let files: Vec<_> = found.files.iter().map(PathBuf::as_path).collect();
        assert_eq!(files, [Path::new("/lib/ld.so.2"), Path::new("/lib/libc.so.6")]);
        assert_eq!(Loaded::among(maps, Path::new("/opt/a program"), 0), None);
    }
}

//! What of the host is seen inside.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::MountAttrFlags;

use super::{NO_TRICKS, clone_tree};
use crate::error::{Context, Error};
use crate::sys;

/// One thing to appear in the new root; destinations are relative to it.
pub(super) enum Source {
    Directory { tree: OwnedFd, destination: PathBuf },
    File { tree: OwnedFd, destination: PathBuf },
    Link { target: PathBuf, destination: PathBuf },
}

/// Links into `/usr` on hosts that have merged these, directories on others.
const TOP: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];

/// What programs below `/usr` need of `/etc` to work as installed, and that holds nothing of the host's own.
const CONFIGURATION: [&str; 27] = [
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "timezone",
    "os-release",
    "debian_version",
    "redhat-release",
    "lsb-release",
    "locale.alias",
    "locale.conf",
    "mime.types",
    "magic",
    "protocols",
    "services",
    "terminfo",
    "fonts",
    "perl",
    "R",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "crypto-policies",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
];

/// As [`CONFIGURATION`], for names that hold a version.
const CONFIGURATION_PREFIXES: [&str; 2] = ["python3", "java"];

/// Detached, read-only views of what every sandbox sees of the host.
pub(super) fn common() -> Result<Vec<Source>, Error> {
    let read_only = TOP.iter().map(PathBuf::from).chain(configuration());
    let views = read_only
        .map(|path| view(&path, READ_ONLY))
        .chain(DEVICES.map(|path| view(Path::new(path), DEVICE)));
    views.filter_map(Result::transpose).collect()
}

/// The same of paths that the launcher asks for.
pub(super) fn extra(paths: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let show = |path: &PathBuf| {
        view(path, READ_ONLY)?
            .ok_or(std::io::Error::from_raw_os_error(libc::ENOENT))
            .during_on("show", path)
    };
    paths.iter().map(show).collect()
}

/// When names were last made, removed or replaced among those that views are opened by. What happens below a view, or to
/// the content of a file, is seen in the view.
#[derive(PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(i64, i64)>>);

impl Stamp {
    pub(super) fn take() -> Self {
        let etc = Path::new("/etc");
        let parents = CONFIGURATION.iter().filter_map(|name| Path::new(name).parent());
        let directories: BTreeSet<_> = parents
            .map(|parent| etc.join(parent))
            .chain([PathBuf::from("/")])
            .collect();
        Self::of(&directories)
    }

    fn of(directories: &BTreeSet<PathBuf>) -> Self {
        let modified = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.mtime(), metadata.mtime_nsec()))
        };
        Self(directories.iter().map(modified).collect())
    }
}

pub(super) const READ_ONLY: MountAttrFlags = NO_TRICKS.union(MountAttrFlags::MOUNT_ATTR_RDONLY);

/// Read-only concerns the node, not the device.
const DEVICE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC)
    .union(MountAttrFlags::MOUNT_ATTR_RDONLY);

fn configuration() -> Vec<PathBuf> {
    let etc = Path::new("/etc");
    let mut paths: Vec<_> = CONFIGURATION.iter().map(|name| etc.join(name)).collect();
    for entry in fs::read_dir(etc).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| {
            CONFIGURATION_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
        }) {
            paths.push(entry.path());
        }
    }
    paths
}

/// A view of a path of the host, or `None` if there is no such path.
fn view(path: &Path, attributes: MountAttrFlags) -> Result<Option<Source>, Error> {
    let Some(destination) = below_root(path).map(Path::to_owned) else {
        return Ok(None);
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).during_on("look at", path),
    };
    if metadata.is_symlink() {
        let target = fs::read_link(path).during_on("read the link", path)?;
        return Ok(Some(Source::Link { target, destination }));
    }
    let directory = metadata.is_dir();
    let tree = clone_tree(CWD, path, directory)?;
    sys::restrict_mount(tree.as_fd(), attributes, directory).during_on("make read-only", path)?;
    Ok(Some(if directory {
        Source::Directory { tree, destination }
    } else {
        Source::File { tree, destination }
    }))
}

/// A read-only view of a file of the host, as a detached mount.
pub(super) fn file(path: &Path) -> Result<OwnedFd, Error> {
    let tree = clone_tree(CWD, path, false)?;
    sys::restrict_mount(tree.as_fd(), READ_ONLY, false).during_on("make read-only", path)?;
    Ok(tree)
}

/// Our own executable, such that it cannot be opened for writing through the processes that run it.
pub(super) fn executable() -> Result<OwnedFd, Error> {
    const LINK: &str = "/proc/self/exe";
    let running = fs::metadata(LINK).during_on("look at", LINK)?;
    let path = fs::read_link(LINK).during_on("read the link", LINK)?;
    let unchanged =
        |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == (running.dev(), running.ino());
    if !fs::symlink_metadata(&path).is_ok_and(unchanged) {
        // It was replaced or removed since it was started. What still runs cannot be opened for writing, and what
        // does not run any more cannot be started by anybody either.
        return sys::own_executable().during_on("open", LINK);
    }
    file(&path)
}

/// A view of a directory from which `..` leads nowhere.
pub(crate) fn confined(path: &Path) -> Result<OwnedFd, Error> {
    let tree = clone_tree(CWD, path, false)?;
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::openat(&tree, ".", flags, rustix::fs::Mode::empty()).during_on("open", path)
}

/// A path relative to the root, or `None` for the root itself and for what does not start at it.
fn below_root(path: &Path) -> Option<&Path> {
    path.strip_prefix("/")
        .ok()
        .filter(|path| !path.as_os_str().as_encoded_bytes().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_with_names_and_not_with_contents() {
        let directory = tempfile::tempdir().unwrap();
        let (file, new) = (directory.path().join("ld.so.cache"), directory.path().join("new"));
        fs::write(&file, "old").unwrap();
        fs::write(&new, "new").unwrap();
        let watched = BTreeSet::from([directory.path().to_owned(), directory.path().join("missing")]);
        let stamp = Stamp::of(&watched);
        fs::write(&file, "changed").unwrap();
        assert!(Stamp::of(&watched) == stamp);
        // A file system's clock may tick slowly.
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::rename(&new, &file).unwrap();
        assert!(Stamp::of(&watched) != stamp);
        let stamp = Stamp::of(&watched);
        fs::create_dir(directory.path().join("missing")).unwrap();
        assert!(Stamp::of(&watched) != stamp);
    }
}

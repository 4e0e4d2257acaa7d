//! What of the host is seen inside.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::MountAttrFlags;

use super::{NO_TRICKS, below_root, clone_tree};
use crate::error::{Context, Error};
use crate::sys;

/// Detached, read-only views of the host.
///
/// Opening them takes the right to mount and the right to reach them. Root has both on the host and hardly any once
/// inside its new user namespace; an ordinary user has the former only inside. So root opens them before.
pub(crate) struct Sources {
    pub(super) entries: Vec<Source>,
    /// What the launcher asked for beyond that.
    pub(super) extra: Vec<Source>,
    /// Our own executable.
    pub(crate) executable: OwnedFd,
    /// The control group directory that is given to PID 1.
    pub(crate) delegated: Option<OwnedFd>,
}

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

impl Sources {
    pub(crate) fn open(extra: &[PathBuf], delegated: Option<&Path>) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for path in TOP {
            entries.extend(view(Path::new(path), READ_ONLY)?);
        }
        for path in configuration() {
            entries.extend(view(&path, READ_ONLY)?);
        }
        for path in DEVICES {
            entries.extend(view(Path::new(path), DEVICE)?);
        }
        let show = |path: &PathBuf| {
            view(path, READ_ONLY)?
                .ok_or(std::io::Error::from_raw_os_error(libc::ENOENT))
                .during_on("show", path)
        };
        let extra = extra.iter().map(show).collect::<Result<_, _>>()?;
        Ok(Self {
            entries,
            extra,
            executable: executable()?,
            delegated: delegated.map(confined).transpose()?,
        })
    }
}

const READ_ONLY: MountAttrFlags = NO_TRICKS.union(MountAttrFlags::MOUNT_ATTR_RDONLY);

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

/// Our own executable, such that it cannot be opened for writing through the processes that run it.
fn executable() -> Result<OwnedFd, Error> {
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
    let tree = clone_tree(CWD, &path, false)?;
    sys::restrict_mount(tree.as_fd(), READ_ONLY, false).during_on("make read-only", &path)?;
    Ok(tree)
}

/// A view of a directory from which `..` leads nowhere.
fn confined(path: &Path) -> Result<OwnedFd, Error> {
    let tree = clone_tree(CWD, path, false)?;
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::openat(&tree, ".", flags, rustix::fs::Mode::empty()).during_on("open", path)
}

//! The tree of an image as the root: what a sandbox writes goes to a layer of its own above it.
//!
//! **Invariant:** nothing that is mounted finds its place by way of the image, which may have links anywhere. All places
//! are directories of the upper layer, and those hide whatever the image has there that is no directory.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::mount::MountAttrFlags;

use super::skeleton::{make_directory, make_place};
use super::{DATA, NO_TRICKS, PROC, attach, clone_tree, etc, file_system, give_to_user, sources};
use crate::error::{Context, Error};
use crate::own::{Loaded, Loader};
use crate::sys;

/// Where in the skeleton the tree and the whole are put together, both of which are directories of it.
const LOWER: &str = "media";
const WHOLE: &str = "srv";

/// The layer of what the sandbox writes, in the file system for that.
const UPPER: &str = "upper";
const WORK: &str = "work";

/// Where what loads our own program is seen.
const OWN: &str = "run/sandbox-agent";

/// Directories for mounts, beside those of the sandbox's user.
const PLACES: [&str; 4] = ["dev", PROC, "sys", OWN];

/// What is the sandbox's user's, and with which mode.
const USERS: [(&str, u32); 4] = [
    ("workspace", 0o755),
    ("home/sandbox", 0o755),
    ("tmp", 0o1777),
    ("var/tmp", 0o1777),
];

/// What is opened of the host for a sandbox with an image.
pub(crate) struct Image {
    tree: OwnedFd,
    /// What it takes to load our own program, unless that is linked statically: the loader's name, and all files.
    own: Option<(PathBuf, Vec<(PathBuf, OwnedFd)>)>,
}

impl Image {
    pub(super) fn open(tree: &Path) -> Result<Self, Error> {
        let view = clone_tree(CWD, tree, false)?;
        sys::restrict_mount(view.as_fd(), sources::READ_ONLY, false).during_on("make read-only", tree)?;
        let own = match Loaded::find().during("find out what this program was loaded from")? {
            Some(loaded) => Some(own_files(&loaded)?),
            None => None,
        };
        Ok(Self { tree: view, own })
    }

    /// A copy of the descriptor of its tree, for whoever maps the owners.
    pub(crate) fn tree(&self) -> Result<OwnedFd, Error> {
        self.tree.try_clone().during("share the tree of the image")
    }

    /// How our own program is started where the image is the root.
    pub(crate) fn loader(&self) -> Option<Loader> {
        let directory = Path::new("/").join(OWN);
        self.own.as_ref().map(|(loader, _)| Loader {
            path: directory.join(loader),
            libraries: directory,
        })
    }

    /// Puts the root together and attaches it within the skeleton, where the data is attached too.
    pub(super) fn attach(&self, skeleton: BorrowedFd<'_>, data: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
        attach(self.tree.as_fd(), skeleton, LOWER)?;
        for layer in [UPPER, WORK] {
            make_directory(data, layer)?;
        }
        let upper = super::open_directory(data, UPPER).during_on("open", UPPER)?;
        furnish(upper.as_fd(), self.tree.as_fd())?;
        // The options name the layers by paths, and colons and commas in those mean something.
        rustix::process::fchdir(skeleton).during("enter the skeleton")?;
        let options = [
            ("lowerdir", String::from(LOWER)),
            ("upperdir", format!("{DATA}/{UPPER}")),
            ("workdir", format!("{DATA}/{WORK}")),
            // Other attributes of files take privileges that nobody has in a user namespace.
            ("userxattr", String::new()),
        ];
        let options = options.each_ref().map(|(name, value)| (*name, value.as_str()));
        let root = file_system("overlay", &options, NO_TRICKS)?;
        attach(root.as_fd(), skeleton, WHOLE)?;
        let devices = clone_tree(skeleton, "dev", true)?;
        attach(devices.as_fd(), root.as_fd(), "dev")?;
        // What is still to come is mounted, which changes nothing in it.
        read_only(devices.as_fd(), "dev")?;
        self.attach_own(root.as_fd())?;
        Ok(root)
    }

    fn attach_own(&self, root: BorrowedFd<'_>) -> Result<(), Error> {
        for (name, file) in self.own.iter().flat_map(|(_, files)| files) {
            let place = Path::new(OWN).join(name);
            rustix::fs::mknodat(root, &place, FileType::RegularFile, Mode::from_raw_mode(0o644), 0)
                .during_on("create", &place)?;
            attach(file.as_fd(), root, &place)?;
        }
        Ok(())
    }
}

/// Keeps the user of the sandbox from changing anything else, where that user is the owner of all that is there.
pub(super) fn seal(root: BorrowedFd<'_>) -> Result<(), Error> {
    for (directory, _) in USERS {
        attach(clone_tree(root, directory, false)?.as_fd(), root, directory)?;
    }
    read_only(root, "the root")
}

fn read_only(mount: BorrowedFd<'_>, name: &str) -> Result<(), Error> {
    sys::restrict_mount(mount, NO_TRICKS | MountAttrFlags::MOUNT_ATTR_RDONLY, false)
        .during_on("make read-only", name)
}

/// The loader's name, and views of all files by their names.
fn own_files(loaded: &Loaded) -> Result<(PathBuf, Vec<(PathBuf, OwnedFd)>), Error> {
    let name = |path: &Path| PathBuf::from(path.file_name().unwrap_or_default());
    let files = loaded
        .files
        .iter()
        .map(|path| Ok((name(path), sources::file(path)?)));
    Ok((name(&loaded.loader), files.collect::<Result<_, Error>>()?))
}

/// The upper layer as it is at first.
fn furnish(upper: BorrowedFd<'_>, image: BorrowedFd<'_>) -> Result<(), Error> {
    PLACES
        .into_iter()
        .try_for_each(|place| make_place(upper, place.as_ref()))?;
    for (directory, mode) in USERS {
        make_place(upper, directory.as_ref())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(upper, directory, flags, Mode::empty());
        give_to_user(opened.during_on("open", directory)?.as_fd(), directory, mode)?;
    }
    etc::write_over(image, upper)
}

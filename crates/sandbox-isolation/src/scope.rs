//! Kill scopes: what holds a process and everything it ever starts, so that all of it can be killed.
//!
//! Sessions, process groups and environment markers can be left; a cgroup whose files are out of reach, or the
//! subtree of a subreaper, cannot.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Makes the scopes of one sandbox.
pub(crate) enum Scopes {
    /// Directories below a delegated directory of a version 2 cgroup hierarchy.
    Cgroup(CgroupScopes),
    /// A supervising process that inherits all orphans of what it started.
    Subreaper,
}

/// The scope of one process.
#[derive(Clone)]
pub(crate) enum Scope {
    Cgroup(Arc<Cgroup>),
    Subreaper,
}

pub(crate) struct CgroupScopes {
    directory: OwnedFd,
    next: AtomicU64,
    /// Scopes whose first process has ended; their directories go once the last process has.
    retired: Mutex<Vec<Arc<Cgroup>>>,
}

pub(crate) struct Cgroup {
    name: String,
    directory: OwnedFd,
}

impl Scopes {
    pub(crate) fn cgroup(directory: OwnedFd) -> Self {
        Self::Cgroup(CgroupScopes {
            directory,
            next: AtomicU64::new(1),
            retired: Mutex::default(),
        })
    }

    pub(crate) fn create(&self) -> io::Result<Scope> {
        match self {
            Self::Cgroup(scopes) => Ok(Scope::Cgroup(Arc::new(scopes.create()?))),
            Self::Subreaper => Ok(Scope::Subreaper),
        }
    }

    /// To be called when the first process of a scope has ended.
    pub(crate) fn retire(&self, scope: Scope) {
        if let (Self::Cgroup(scopes), Scope::Cgroup(cgroup)) = (self, scope)
            && !scopes.remove(&cgroup)
        {
            scopes
                .retired
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(cgroup);
        }
    }

    pub(crate) fn remove_retired(&self) {
        if let Self::Cgroup(scopes) = self {
            let mut retired = scopes.retired.lock().unwrap_or_else(PoisonError::into_inner);
            retired.retain(|cgroup| !scopes.remove(cgroup));
        }
    }
}

impl CgroupScopes {
    fn create(&self) -> io::Result<Cgroup> {
        let mut name = String::from("exec-");
        let _ = write!(name, "{}", self.next.fetch_add(1, Ordering::Relaxed));
        rustix::fs::mkdirat(&self.directory, &name, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.directory, &name, flags, Mode::empty()) {
            Ok(directory) => Ok(Cgroup { name, directory }),
            Err(error) => {
                let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::REMOVEDIR);
                Err(error.into())
            }
        }
    }

    /// Whether the directory is gone.
    fn remove(&self, cgroup: &Cgroup) -> bool {
        rustix::fs::unlinkat(&self.directory, &cgroup.name, AtFlags::REMOVEDIR) != Err(Errno::BUSY)
    }
}

impl Cgroup {
    /// What a process is born in.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Kills every process inside; one that is being forked cannot slip through.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match self.open("cgroup.kill") {
            Ok(file) => Ok(rustix::io::write(&file, b"1").map(drop)?),
            // The directory goes when the last process has ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn open(&self, file: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.directory, file, flags, Mode::empty())?)
    }
}

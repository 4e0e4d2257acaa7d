//! The directory a server keeps its sessions in.
//!
//! ```text
//! ROOT/lock                    held by the one server that uses ROOT
//! ROOT/sessions/ID/            one directory per session, see `session_dir`
//! ```
//! A server that keeps its sessions only as long as it lives makes its ROOT afresh below a parent that all of a user's
//! such servers share, so that whoever starts next can clear away what a killed one left:
//! ```text
//! PARENT/lock                  held while a ROOT is made or cleared
//! PARENT/RANDOM/               such a ROOT; unlocked means its server is dead
//! ```
//! The last of them to end removes PARENT, too.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::session_dir::SessionDir;
use crate::backend::SessionId;

/// The permissions of everything only this user may enter.
const PRIVATE: u32 = 0o700;

/// How long a lock may outlive the server that took it. A process that a server was just starting when it was killed
/// holds the server's descriptors until it executes its program, which takes long where there is little time for it.
const INHERITED: Duration = Duration::from_secs(30);

/// A state directory in use by this server.
#[derive(Debug)]
pub(super) struct StateDir {
    root: PathBuf,
    /// Sockets are reached through this descriptor: their paths stay short however long the name of the root is.
    sessions: File,
    /// Locked for as long as it is open.
    _lock: File,
    /// Of a root that ends with its server: the parent it shares with others.
    parent: Option<PathBuf>,
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Another server uses it.
    #[error("state directory {} is in use by another server{}", path.display(), pid_note(pid))]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// The other server, if it wrote down who it is.
        pid: String,
    },
    /// Somebody else could change what is in it.
    #[error("state directory {} must belong to this user and be writable by nobody else", path.display())]
    NotPrivate {
        /// Which directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

fn pid_note(pid: &str) -> String {
    if pid.is_empty() {
        String::new()
    } else {
        format!(" (process {pid})")
    }
}

/// Whether the server that wrote this down is no more.
fn has_ended(pid: &str) -> bool {
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

impl StateDir {
    /// Takes a directory that outlives the server, making it if it is not there.
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        make_private(root)?;
        let root = fs::canonicalize(root).map_err(at(root))?;
        let deadline = Instant::now() + INHERITED;
        loop {
            match Self::lock(root.clone(), None) {
                Err(Error::InUse { pid, .. }) if has_ended(&pid) && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                taken => return taken,
            }
        }
    }

    /// Makes a directory that ends with the server, and takes over what dead servers left below the same parent.
    pub(super) fn create_below(parent: &Path) -> Result<(Self, Vec<Self>), Error> {
        let (parent, _guard) = lock_parent(parent)?;
        let mut left = Vec::new();
        for entry in fs::read_dir(&parent).map_err(at(&parent))? {
            let entry = entry.map_err(at(&parent))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                match Self::lock(entry.path(), Some(&parent)) {
                    Ok(dead) => left.push(dead),
                    Err(Error::InUse { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let root = parent.join(SessionId::random().to_string());
        DirBuilder::new().mode(PRIVATE).create(&root).map_err(at(&root))?;
        Ok((Self::lock(root, Some(&parent))?, left))
    }

    fn lock(root: PathBuf, parent: Option<&Path>) -> Result<Self, Error> {
        let path = root.join("lock");
        let mut lock = open_lock(&path)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                // Only a hint for the reader of the message: whatever is there is good enough.
                let _ = lock.take(16).read_to_string(&mut pid);
                return Err(Error::InUse {
                    path: root,
                    pid: pid.trim().to_owned(),
                });
            }
            Err(errno) => return Err(at(&path)(errno.into())),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(at(&path))?;

        let sessions = root.join("sessions");
        DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE)
            .create(&sessions)
            .map_err(at(&sessions))?;
        fs::set_permissions(&sessions, fs::Permissions::from_mode(PRIVATE)).map_err(at(&sessions))?;
        let sessions = File::open(&sessions).map_err(at(&sessions))?;
        Ok(Self {
            root,
            sessions,
            _lock: lock,
            parent: parent.map(Path::to_owned),
        })
    }

    /// Makes the directory of a session.
    pub(super) fn create(&self, id: SessionId) -> io::Result<SessionDir> {
        let dir = self.session(id);
        DirBuilder::new().mode(PRIVATE).create(dir.path())?;
        Ok(dir)
    }

    /// The directory of a session, whether it is there or not.
    pub(super) fn session(&self, id: SessionId) -> SessionDir {
        let name = id.to_string();
        let socket = PathBuf::from(format!(
            "/proc/self/fd/{}/{name}/agent.sock",
            self.sessions.as_fd().as_raw_fd()
        ));
        SessionDir::new(self.root.join("sessions").join(name), socket)
    }

    /// The sessions there are directories of.
    pub(super) fn session_ids(&self) -> io::Result<Vec<SessionId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(self.root.join("sessions"))? {
            let name = entry?.file_name();
            match name.to_str().and_then(|name| name.parse().ok()) {
                Some(id) => ids.push(id),
                None => tracing::warn!(?name, "the state directory holds something that is not a session"),
            }
        }
        Ok(ids)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.root
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        let Some(parent) = &self.parent else { return };
        if let Err(error) = remove_below(parent, &self.root) {
            tracing::warn!(path = %self.root.display(), %error, "a temporary state directory is left behind");
        }
    }
}

/// Removes a root, and the parent with the last of them. With others held off: to them a root whose lock is already
/// removed would look like one of a dead server.
fn remove_below(parent: &Path, root: &Path) -> io::Result<()> {
    let _lock = lock_file(parent)?;
    fs::remove_dir_all(root)?;
    if fs::read_dir(parent)?.count() == 1 {
        fs::remove_file(parent.join("lock"))?;
        fs::remove_dir(parent)?;
    }
    Ok(())
}

/// Makes the directory unless it is there, and holds everybody else off.
fn lock_parent(path: &Path) -> Result<(PathBuf, File), Error> {
    loop {
        let locked = make_private(path).and_then(|()| {
            let parent = fs::canonicalize(path).map_err(at(path))?;
            let lock = lock_file(&parent).map_err(at(&parent))?;
            Ok((parent, lock))
        });
        match locked {
            Ok((parent, Some(lock))) => return Ok((parent, lock)),
            // Somebody found nobody else in it and removed it meanwhile: make it again.
            Ok((_, None)) => {}
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits for the lock of a parent; `None` when that was removed meanwhile.
fn lock_file(parent: &Path) -> io::Result<Option<File>> {
    let path = parent.join("lock");
    let lock = lock_options().open(&path)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let current = match fs::metadata(&path) {
        Ok(found) => found.ino() == lock.metadata()?.ino(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    Ok(current.then_some(lock))
}

fn open_lock(path: &Path) -> Result<File, Error> {
    lock_options().open(path).map_err(at(path))
}

fn lock_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options
}

/// Makes a directory unless it is there, and refuses one that others could have prepared.
fn make_private(path: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.mode(PRIVATE);
    let made = match path.parent() {
        Some(above) => builder
            .recursive(true)
            .create(above)
            .and_then(|()| builder.recursive(false).create(path)),
        None => Ok(()),
    };
    match made {
        // What is there is looked at below.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(at(path))?,
    }
    let found = fs::symlink_metadata(path).and_then(|link| {
        // A link may be this user's own doing; in a shared directory it need not be.
        if link.uid() == rustix::process::geteuid().as_raw() {
            fs::metadata(path)
        } else {
            Ok(link)
        }
    });
    let found = found.map_err(at(path))?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if found.is_dir() && ours && found.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(Error::NotPrivate {
            path: path.to_owned(),
        })
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serves_one_server_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("state");
        let first = StateDir::open(&root).unwrap();
        let error = StateDir::open(&root).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("in use") && message.contains(&std::process::id().to_string()),
            "{message}"
        );
        drop(first);
        StateDir::open(&root).unwrap();
    }

    #[test]
    fn waits_for_the_lock_of_a_server_that_has_ended() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("state");
        let first = StateDir::open(&root).unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        fs::write(root.join("lock"), ended.id().to_string()).unwrap();
        let (second, waited) = thread::scope(|scope| {
            let second = scope.spawn(|| StateDir::open(&root).unwrap());
            thread::sleep(Duration::from_millis(100));
            let waited = !second.is_finished();
            drop(first);
            (second.join().unwrap(), waited)
        });
        assert!(waited && second.path() == root);
    }

    #[test]
    fn refuses_a_directory_others_can_write() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            StateDir::open(parent.path()),
            Err(Error::NotPrivate { .. })
        ));
    }

    #[test]
    fn takes_over_what_a_dead_server_left_and_only_that() {
        let parent = tempfile::tempdir().unwrap();
        let (alive, left) = StateDir::create_below(parent.path()).unwrap();
        assert!(left.is_empty());

        let dead = parent.path().join("dead");
        let id = SessionId::random();
        fs::create_dir_all(dead.join("sessions").join(id.to_string())).unwrap();
        let (_second, left) = StateDir::create_below(parent.path()).unwrap();
        assert_eq!(
            left.iter()
                .map(|dir| dir.session_ids().unwrap())
                .collect::<Vec<_>>(),
            [vec![id]]
        );
        drop(left);
        assert!(!dead.exists());
        assert!(alive.path().exists());
    }

    #[test]
    fn the_last_to_end_removes_the_parent() {
        let directory = tempfile::tempdir().unwrap();
        let parent = directory.path().join("parent");
        let (first, _) = StateDir::create_below(&parent).unwrap();
        let (second, _) = StateDir::create_below(&parent).unwrap();
        drop(first);
        assert!(second.path().exists());
        drop(second);
        assert!(!parent.exists());
    }

    #[test]
    fn servers_that_come_and_go_at_once_do_not_trip_over_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let parent = &directory.path().join("parent");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let (dir, left) = StateDir::create_below(parent).unwrap();
                        assert!(left.is_empty() && dir.path().join("sessions").exists());
                    }
                });
            }
        });
        assert!(!parent.exists());
    }

    #[test]
    fn sockets_work_below_a_path_longer_than_a_socket_address() {
        let parent = tempfile::tempdir().unwrap();
        let dir = StateDir::open(&parent.path().join("x".repeat(200))).unwrap();
        let session = dir.create(SessionId::random()).unwrap();
        let _listener = session.listen().unwrap();
        std::os::unix::net::UnixStream::connect(session.socket()).unwrap();
    }
}

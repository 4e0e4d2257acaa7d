//! How commands find the server that their user has started: a file that `sandbox serve` keeps while it runs.
//!
//! A server holds a lock on its file. The kernel lets go of it when the process ends, however it ends, so that what a
//! killed server has left is never taken for a running one, also when another process has its number by now.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sandbox_sessions::SecretString;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::exit;
use crate::failure::Failure;
use crate::settings::{check_private, shown};

/// The largest file, in bytes, that is read.
const LIMIT: u64 = 64 << 10;

/// What a running server says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Running {
    pub(crate) url: String,
    /// None where the server's tokens are those of a file.
    pub(crate) token: Option<SecretString>,
    /// The certificate that it has made for itself.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) pid: u32,
}

#[derive(Serialize)]
struct Written<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<&'a Path>,
    pid: u32,
}

/// Where the file is: in the user's runtime directory, or in memory, or among the temporary files. In a directory that
/// users share, the name says whose it is, and [`find`] sees to it that it is theirs.
pub(crate) fn place(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let user = rustix::process::geteuid();
    let usable = |path: &PathBuf| path.is_absolute() && path.is_dir();
    let own = variable("XDG_RUNTIME_DIR")
        .filter(usable)
        .or_else(|| Some(PathBuf::from(format!("/run/user/{user}"))).filter(usable));
    let directory = match own {
        Some(own) => own.join("sandbox"),
        None => Some(PathBuf::from("/dev/shm"))
            .filter(usable)
            .unwrap_or_else(|| PathBuf::from("/tmp"))
            .join(format!("sandbox-runtime-{user}")),
    };
    directory.join("server.json")
}

/// The running server; `None` if none has written the file.
pub(crate) fn find(place: &Path) -> Result<Option<Running>, Failure> {
    let Some(mut file) = open_private(place)? else {
        return Ok(None);
    };
    let unusable = |error: io::Error| {
        Failure::new(exit::BAD_CONFIGURATION, format!("cannot use {}", shown(place))).with_source(error)
    };
    let running = read(&mut file).map_err(unusable)?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Ok(Some(running)),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
        Ok(()) => {
            let message = format!(
                "the server that wrote {}, process {}, is gone",
                shown(place),
                running.pid
            );
            Err(Failure::new(exit::NO_CONNECTION, message)
                .with_hint("`sandbox serve` starts another, which finds its sessions again"))
        }
    }
}

/// Opens the file if nobody else can have written it.
fn open_private(place: &Path) -> Result<Option<File>, Failure> {
    let unusable = |error: io::Error| {
        Failure::new(exit::BAD_CONFIGURATION, format!("cannot use {}", shown(place))).with_source(error)
    };
    let directory = place.parent().unwrap_or(place);
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(unusable(io::ErrorKind::NotADirectory.into()));
        }
        Ok(metadata) => check_own(directory, &metadata)?,
    }
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    let file = match rustix::fs::open(place, flags, rustix::fs::Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => File::from(opened.map_err(|error| unusable(error.into()))?),
    };
    let metadata = file.metadata().map_err(unusable)?;
    if !metadata.is_file() {
        return Err(unusable(io::Error::other("is not a regular file")));
    }
    check_own(place, &metadata)?;
    Ok(Some(file))
}

/// Not even root's: only a server of this user writes here.
fn check_own(path: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
    check_private(path, metadata)?;
    let owner = metadata.uid();
    if owner == rustix::process::geteuid().as_raw() {
        Ok(())
    } else {
        let message = format!("{} belongs to somebody else, to user {owner}", shown(path));
        Err(Failure::new(exit::BAD_CONFIGURATION, message).with_hint("it is not used"))
    }
}

fn read(file: &mut File) -> io::Result<Running> {
    let mut text = Vec::new();
    file.take(LIMIT).read_to_end(&mut text)?;
    // What the parser says may quote the text, and with it the token.
    serde_json::from_slice(&text).map_err(|_| io::Error::other("it is not what a server writes"))
}

/// A server's own file, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Published {
    place: PathBuf,
    /// Locked.
    file: File,
}

impl Published {
    /// Writes the file. One that is left of a server that is gone is replaced.
    ///
    /// # Errors
    ///
    /// If another server of this user is running, or the directory is not the user's alone.
    pub(crate) fn write(
        place: &Path,
        url: &str,
        token: Option<&SecretString>,
        ca_file: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let directory = place.parent().unwrap_or(place);
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        if let Some(file) = open_private(place)?
            && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
        {
            anyhow::bail!(
                "another server of yours, which {} names, is running",
                shown(place)
            );
        }
        let pid = std::process::id();
        let token = token.map(ExposeSecret::expose_secret);
        let text = serde_json::to_vec(&Written {
            url,
            token,
            ca_file,
            pid,
        })?;
        // Complete and locked before it has its name. Made with the mode 0600.
        let mut new = tempfile::NamedTempFile::new_in(directory)?;
        new.write_all(&text)?;
        new.as_file().lock()?;
        let file = new.persist(place)?;
        Ok(Self {
            place: place.to_owned(),
            file,
        })
    }

    /// Another server may have put its own in the place of this one.
    fn is_there(&self) -> io::Result<bool> {
        let (mine, there) = (self.file.metadata()?, fs::symlink_metadata(&self.place)?);
        Ok((mine.dev(), mine.ino()) == (there.dev(), there.ino()))
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        if matches!(self.is_there(), Ok(true)) {
            let _ = fs::remove_file(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let runtime = tempfile::tempdir().unwrap();
        let place = place(|_| Some(runtime.path().to_owned()));
        (runtime, place)
    }

    #[test]
    fn a_running_server_is_found_and_one_that_ended_leaves_nothing() {
        let (_runtime, place) = fresh();
        assert!(find(&place).unwrap().is_none());
        let published = Published::write(
            &place,
            "http://127.0.0.1:1/v1",
            Some(&"secret".into()),
            Some(Path::new("/c.pem")),
        )
        .unwrap();
        let running = find(&place).unwrap().unwrap();
        assert_eq!(running.url, "http://127.0.0.1:1/v1");
        assert_eq!(running.token.unwrap().expose_secret(), "secret");
        assert_eq!(running.ca_file.as_deref(), Some(Path::new("/c.pem")));
        assert_eq!(running.pid, std::process::id());
        let modes =
            [place.as_path(), place.parent().unwrap()].map(|path| fs::metadata(path).unwrap().mode() & 0o777);
        assert_eq!(modes, [0o600, 0o700]);
        assert!(Published::write(&place, "http://127.0.0.1:2/v1", None, None).is_err());
        drop(published);
        assert!(find(&place).unwrap().is_none() && !place.exists());
    }

    #[test]
    fn what_a_killed_server_left_is_refused_and_replaced() {
        let (_runtime, place) = fresh();
        drop(Published::write(&place, "http://127.0.0.1:1/v1", None, None).unwrap());
        let text = format!(
            r#"{{"url":"http://127.0.0.1:1/v1","token":"t","pid":{}}}"#,
            std::process::id()
        );
        fs::write(&place, text).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
        let gone = find(&place).unwrap_err();
        assert!(
            gone.exit_code() == 69 && gone.to_string().ends_with("is gone"),
            "{gone}"
        );
        let _published = Published::write(&place, "http://127.0.0.1:2/v1", None, None).unwrap();
        assert_eq!(find(&place).unwrap().unwrap().url, "http://127.0.0.1:2/v1");
    }

    #[test]
    fn a_server_leaves_the_file_of_another_one_alone() {
        let (_runtime, place) = fresh();
        let first = Published::write(&place, "http://127.0.0.1:1/v1", None, None).unwrap();
        fs::remove_file(&place).unwrap();
        let _second = Published::write(&place, "http://127.0.0.1:2/v1", None, None).unwrap();
        drop(first);
        assert_eq!(find(&place).unwrap().unwrap().url, "http://127.0.0.1:2/v1");
    }

    #[test]
    fn what_others_can_read_or_have_put_there_is_refused() {
        let (runtime, place) = fresh();
        let _published = Published::write(&place, "http://127.0.0.1:1/v1", None, None).unwrap();
        let refused = |what: &str| {
            let failure = find(&place).unwrap_err();
            let shown = format!("{:#}", anyhow::Error::from(failure));
            assert!(shown.contains(what), "{shown}");
        };
        fs::set_permissions(&place, Permissions::from_mode(0o640)).unwrap();
        refused("mode is 0640");
        fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
        let directory = place.parent().unwrap();
        fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        refused("mode is 0755");
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
        fs::rename(&place, runtime.path().join("elsewhere")).unwrap();
        symlink(runtime.path().join("elsewhere"), &place).unwrap();
        refused("cannot use");
        fs::remove_file(&place).unwrap();
        fs::write(&place, "no JSON").unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
        refused("not what a server writes");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&place, Some(65_534), None).unwrap();
            refused("belongs to somebody else");
        }
    }
}

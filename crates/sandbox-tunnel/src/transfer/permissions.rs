//! Permission bits of this machine's files: nine of them, where there are any; and whose they are.

use std::{fs, io, path::Path};

/// Settings for making a file, which its owner alone may read if it is private.
#[cfg(unix)]
pub(super) fn creating(private: bool) -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.mode(if private { 0o600 } else { 0o666 });
    options
}

#[cfg(unix)]
pub(super) fn of(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(metadata.permissions().mode() & 0o777)
}

#[cfg(unix)]
pub(super) fn set(file: &fs::File, permissions: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(permissions & 0o777))
}

/// Opens a file of this user, to be read and written. Neither a link, which may lead to any other, nor somebody else's.
#[cfg(unix)]
pub(super) fn open_own(path: &Path) -> io::Result<fs::File> {
    use rustix::{fs::OFlags, process::geteuid};
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    // A FIFO would not be opened before somebody reads it.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(flags.bits().cast_signed());
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.uid() == geteuid().as_raw() {
        return Ok(file);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "not a file of this user",
    ))
}

#[cfg(not(unix))]
pub(super) fn open_own(path: &Path) -> io::Result<fs::File> {
    if fs::symlink_metadata(path)?.is_file() {
        return fs::OpenOptions::new().read(true).write(true).open(path);
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "not a file"))
}

#[cfg(not(unix))]
pub(super) fn creating(_: bool) -> fs::OpenOptions {
    fs::OpenOptions::new()
}

#[cfg(not(unix))]
pub(super) fn of(_: &fs::Metadata) -> Option<u32> {
    None
}

#[cfg(not(unix))]
pub(super) fn set(_: &fs::File, _: u32) -> io::Result<()> {
    Ok(())
}

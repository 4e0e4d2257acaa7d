//! Permission bits of this machine's files: nine of them, where there are any.

use std::fs;

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
pub(super) fn set(file: &fs::File, permissions: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(permissions & 0o777))
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
pub(super) fn set(_: &fs::File, _: u32) -> std::io::Result<()> {
    Ok(())
}

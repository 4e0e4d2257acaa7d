//! Files that settings name. Those with secrets are used only where nobody else can read or change them.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use sandbox_sessions::SecretString;

use super::shown;
use crate::exit;
use crate::failure::Failure;

/// The largest file, in bytes, that is read. Those with the certificates of a system's authorities take 200 KiB.
const LIMIT: u64 = 1 << 20;

/// Opens without waiting for the other end of what is no regular file.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

pub(super) fn read_text(file: File) -> io::Result<String> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let mut text = String::new();
    if file.take(LIMIT + 1).read_to_string(&mut text)? as u64 > LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {LIMIT} bytes"),
        ));
    }
    Ok(text)
}

/// Refuses what somebody else owns, or may read or change.
pub(crate) fn check_private(path: &Path, metadata: &Metadata) -> Result<(), Failure> {
    let owner = metadata.uid();
    let me = rustix::process::geteuid().as_raw();
    if owner != me && owner != 0 {
        let message = format!("{} belongs to somebody else, to user {owner}", shown(path));
        return Err(Failure::new(exit::BAD_CONFIGURATION, message).with_hint("it is not used"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let message = format!(
            "{} can be used by others too, its mode is {mode:04o}",
            shown(path)
        );
        let hint = format!("`chmod go= '{}'` makes it yours alone", shown(path));
        return Err(Failure::new(exit::BAD_CONFIGURATION, message).with_hint(hint));
    }
    Ok(())
}

/// Certificates to trust, which are no secret.
pub(crate) fn read_certificates(path: &Path) -> Result<String, Failure> {
    open(path).and_then(read_text).map_err(|error| {
        let message = format!("cannot read the certificates in {}", shown(path));
        Failure::new(exit::BAD_CONFIGURATION, message).with_source(error)
    })
}

/// A token in a file of its own.
pub(super) fn read_token(path: &Path) -> Result<SecretString, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(
            exit::BAD_CONFIGURATION,
            format!("cannot read the token file {}", shown(path)),
        )
        .with_source(error)
    };
    let file = open(path).map_err(unreadable)?;
    check_private(path, &file.metadata().map_err(unreadable)?)?;
    Ok(read_text(file).map_err(unreadable)?.trim().into())
}

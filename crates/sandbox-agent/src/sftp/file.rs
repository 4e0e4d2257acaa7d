//! Open files, and changing the attributes of files.

use std::{fs, os::unix::fs::FileExt, path::Path};

use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use rustix::{
    fs::{self as sys, AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid},
    io::Errno,
};

use super::status::Failed;

/// Bytes of one read. With its header an answer fits into the 256 KiB that clients take.
pub(super) const MAX_READ: u32 = 255 << 10;

/// Opening never waits and never makes a terminal ours; see [`open`] for the rest.
const SAFELY: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a regular file.
///
/// Anything else is refused: reading from a FIFO or a device could wait for ever, and with it all other
/// requests.
pub(super) fn open(path: &Path, flags: OpenFlags, attributes: &FileAttributes) -> Result<fs::File, Failed> {
    let access = match (flags.contains(OpenFlags::READ), flags.contains(OpenFlags::WRITE)) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    };
    let wanted = [
        (OpenFlags::APPEND, OFlags::APPEND),
        (OpenFlags::CREATE, OFlags::CREATE),
        (OpenFlags::TRUNCATE, OFlags::TRUNC),
        (OpenFlags::EXCLUDE, OFlags::EXCL),
    ];
    let all = wanted
        .into_iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(access, |all, (_, flag)| all | flag);
    if all.contains(OFlags::EXCL) && !all.contains(OFlags::CREATE) {
        return Err(Failed::new(
            StatusCode::BadMessage,
            "an exclusive open has to create",
        ));
    }
    let mode = Mode::from_raw_mode(attributes.permissions.unwrap_or(0o666) & 0o777);
    let file = sys::open(path, all | SAFELY, mode).map_err(|errno| match errno {
        // A FIFO without a reader, a socket.
        Errno::NXIO => not_regular(),
        errno => errno.into(),
    })?;
    if FileType::from_raw_mode(sys::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(not_regular());
    }
    Ok(file.into())
}

fn not_regular() -> Failed {
    Failed::new(StatusCode::Failure, "not a regular file")
}

/// Reads up to `length` bytes at `offset`; fewer at the end of the file.
pub(super) fn read(file: &fs::File, offset: u64, length: u32) -> Result<Vec<u8>, Failed> {
    let mut bytes = vec![0; length.min(MAX_READ) as usize];
    let count = file.read_at(&mut bytes, offset)?;
    if count == 0 && length > 0 {
        return Err(Failed::end());
    }
    bytes.truncate(count);
    Ok(bytes)
}

/// Changes what `attributes` names of an open file.
pub(super) fn set_attributes(file: &fs::File, attributes: &FileAttributes) -> Result<(), Failed> {
    if let Some(size) = attributes.size {
        sys::ftruncate(file, size)?;
    }
    if let Some(permissions) = attributes.permissions {
        sys::fchmod(file, Mode::from_raw_mode(permissions & 0o7777))?;
    }
    if let (Some(uid), Some(gid)) = (attributes.uid, attributes.gid) {
        let (uid, gid) = owner(uid, gid)?;
        sys::fchown(file, Some(uid), Some(gid))?;
    }
    if let Some(times) = times(attributes) {
        sys::futimens(file, &times)?;
    }
    Ok(())
}

/// Changes what `attributes` names of the file that `path`, followed through links, leads to.
pub(super) fn set_attributes_at(path: &Path, attributes: &FileAttributes) -> Result<(), Failed> {
    if let Some(size) = attributes.size {
        let file = open(path, OpenFlags::WRITE, &FileAttributes::empty())?;
        sys::ftruncate(file, size)?;
    }
    if let Some(permissions) = attributes.permissions {
        sys::chmod(path, Mode::from_raw_mode(permissions & 0o7777))?;
    }
    if let (Some(uid), Some(gid)) = (attributes.uid, attributes.gid) {
        let (uid, gid) = owner(uid, gid)?;
        sys::chown(path, Some(uid), Some(gid))?;
    }
    if let Some(times) = times(attributes) {
        sys::utimensat(CWD, path, &times, AtFlags::empty())?;
    }
    Ok(())
}

/// The kernel's number for "leave it as it is" is nobody's.
fn owner(uid: u32, gid: u32) -> Result<(Uid, Gid), Errno> {
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
}

fn times(attributes: &FileAttributes) -> Option<Timestamps> {
    let at = |seconds: u32| Timespec {
        tv_sec: seconds.into(),
        tv_nsec: 0,
    };
    Some(Timestamps {
        last_access: at(attributes.atime?),
        last_modification: at(attributes.mtime?),
    })
}

//! What SFTP says about files.

use russh_sftp::protocol::{File, FileAttributes};
use rustix::fs::{FileType, Stat};

/// What `stat` says, in the terms of the protocol.
pub(super) fn of(stat: &Stat) -> FileAttributes {
    let seconds = |seconds: i64| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
    FileAttributes {
        size: Some(u64::try_from(stat.st_size).unwrap_or(0)),
        uid: Some(stat.st_uid),
        user: None,
        gid: Some(stat.st_gid),
        group: None,
        permissions: Some(stat.st_mode),
        atime: Some(seconds(stat.st_atime)),
        mtime: Some(seconds(stat.st_mtime)),
    }
}

/// An entry of a directory, with the line that `ls -l` would print.
pub(super) fn entry(name: String, stat: &Stat) -> File {
    let mut file = File::new(name, of(stat));
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => "d",
        FileType::Symlink => "l",
        FileType::Fifo => "p",
        FileType::Socket => "s",
        FileType::CharacterDevice => "c",
        FileType::BlockDevice => "b",
        _ => "-",
    };
    // The library knows directories and files only.
    if file.longname.is_char_boundary(1) {
        file.longname.replace_range(..1, kind);
    }
    file
}

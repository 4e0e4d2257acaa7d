//! The extensions of OpenSSH.

use std::collections::HashMap;

use bytes::Bytes;
use russh_sftp::{
    de, extensions as names,
    extensions::{FsyncExtension, HardlinkExtension, LimitsExtension, Statvfs, StatvfsExtension},
    protocol::{ExtendedReply, Packet, StatusCode},
    ser,
};
use rustix::fs as sys;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    file::MAX_READ,
    handles::{Handles, MAX_HANDLES},
    status::{Failed, done},
};

const POSIX_RENAME: &str = "posix-rename@openssh.com";

/// What a client may send at once: the library reads packets of up to 256 KiB.
const MAX_PACKET: u64 = 256 << 10;

/// The names and versions of what is served.
pub(super) fn offered() -> HashMap<String, String> {
    let versions = [
        (names::FSYNC, "1"),
        (names::HARDLINK, "1"),
        (names::LIMITS, "1"),
        (names::STATVFS, "2"),
        (POSIX_RENAME, "1"),
    ];
    versions
        .into_iter()
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect()
}

pub(super) fn serve(id: u32, request: &str, data: Vec<u8>, handles: &Handles) -> Result<Packet, Failed> {
    match request {
        names::FSYNC => {
            let FsyncExtension { handle } = parse(data)?;
            sys::fsync(handles.file(&handle)?)?;
        }
        names::HARDLINK => {
            let HardlinkExtension { oldpath, newpath } = parse(data)?;
            sys::link(oldpath, newpath)?;
        }
        POSIX_RENAME => {
            // The same two strings.
            let HardlinkExtension { oldpath, newpath } = parse(data)?;
            sys::rename(oldpath, newpath)?;
        }
        names::LIMITS => {
            return reply(
                id,
                &LimitsExtension {
                    max_packet_len: MAX_PACKET,
                    max_read_len: MAX_READ.into(),
                    // What is left of a packet beside the header and the longest handle.
                    max_write_len: MAX_PACKET - 1024,
                    max_open_handles: MAX_HANDLES as u64,
                },
            );
        }
        names::STATVFS => {
            let StatvfsExtension { path } = parse(data)?;
            return reply(id, &statvfs(&path)?);
        }
        _ => return Err(Failed::new(StatusCode::OpUnsupported, "unknown extension")),
    }
    Ok(done(id).into())
}

fn statvfs(path: &str) -> Result<Statvfs, Failed> {
    let stat = sys::statvfs(path)?;
    Ok(Statvfs {
        block_size: stat.f_bsize,
        fragment_size: stat.f_frsize,
        blocks: stat.f_blocks,
        blocks_free: stat.f_bfree,
        blocks_avail: stat.f_bavail,
        inodes: stat.f_files,
        inodes_free: stat.f_ffree,
        inodes_avail: stat.f_favail,
        fs_id: stat.f_fsid,
        flags: stat.f_flag.bits(),
        name_max: stat.f_namemax,
    })
}

fn parse<T: DeserializeOwned>(data: Vec<u8>) -> Result<T, Failed> {
    de::from_bytes(&mut Bytes::from(data))
        .map_err(|_| Failed::new(StatusCode::BadMessage, "malformed request"))
}

fn reply(id: u32, answer: &impl Serialize) -> Result<Packet, Failed> {
    let data = ser::to_bytes(answer).map_err(|error| Failed::new(StatusCode::Failure, &error.to_string()))?;
    Ok(ExtendedReply {
        id,
        data: data.to_vec(),
    }
    .into())
}

//! User ids: which ids of the host a sandbox's root and its user are.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Pid;
use rustix::thread::{Gid, Uid};
use serde::{Deserialize, Serialize};

use crate::capabilities::IdMapping;
use crate::error::{Context, Error};
use crate::spawn::Identity;

/// The user of a sandbox, inside.
pub(crate) const USER: u32 = 1000;

/// How many ids a full range has; as many as Unix ever had.
const FULL_RANGE: u32 = 65_536;

/// Where the ranges of root's sandboxes are taken from: what the conventions of systemd set aside for containers, so
/// that no account of the host is among them.
const CONTAINER_IDS: std::ops::Range<u32> = 0x0008_0000..0x6fff_0000;

/// A run of ids of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ids {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// The ids of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mapping {
    /// Made by root: inside, 0 and up are these ids of the host.
    Root(Ids),
    /// Made by an ordinary user with the help of two programs that may do so: inside, 0 is that user and the rest are
    /// ids that are set aside for it.
    Subordinate {
        uid: u32,
        gid: u32,
        uids: Ids,
        gids: Ids,
        newuidmap: PathBuf,
        newgidmap: PathBuf,
    },
    /// Made by an ordinary user alone: inside, [`USER`] is that user, and there is nobody else.
    Single { uid: u32, gid: u32 },
}

impl Mapping {
    pub(crate) fn kind(&self) -> IdMapping {
        match self {
            Self::Root(_) | Self::Subordinate { .. } => IdMapping::Range,
            Self::Single { .. } => IdMapping::Single,
        }
    }

    /// The user that processes change to, if PID 1 is another.
    pub(crate) fn identity(&self) -> Option<Identity> {
        match self.kind() {
            IdMapping::Range => Some(Identity {
                uid: Uid::from_raw(USER),
                gid: Gid::from_raw(USER),
            }),
            IdMapping::Single => None,
        }
    }

    /// The host's id of the sandbox's root, if this process can give files to it.
    pub(crate) fn owner(&self) -> Option<u32> {
        match self {
            Self::Root(ids) => Some(ids.first),
            Self::Subordinate { .. } | Self::Single { .. } => None,
        }
    }

    /// Writes the maps of a process that has just entered its user namespace.
    pub(crate) fn write(&self, pid: Pid) -> Result<(), Error> {
        let directory = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        match self {
            Self::Root(Ids { first, count }) => {
                write(&directory.join("uid_map"), &format!("0 {first} {count}"))?;
                write(&directory.join("gid_map"), &format!("0 {first} {count}"))
            }
            Self::Subordinate {
                uid,
                gid,
                uids,
                gids,
                newuidmap,
                newgidmap,
            } => {
                map_with(newuidmap, pid, *uid, *uids)?;
                map_with(newgidmap, pid, *gid, *gids)
            }
            Self::Single { uid, gid } => {
                write(&directory.join("setgroups"), "deny")?;
                write(&directory.join("uid_map"), &format!("{USER} {uid} 1"))?;
                write(&directory.join("gid_map"), &format!("{USER} {gid} 1"))
            }
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).during_on("map the sandbox's user ids", path)
}

fn map_with(program: &Path, pid: Pid, own: u32, ids: Ids) -> Result<(), Error> {
    let numbers = [
        pid.as_raw_nonzero().get().unsigned_abs(),
        0,
        own,
        1,
        1,
        ids.first,
        ids.count,
    ];
    let status = Command::new(program)
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .during_on("run", program)?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(libc::EPERM)).during_on("map the sandbox's user ids", program)
}

/// The ids this process can map: the ranges of the user namespace it is in.
pub(crate) fn own_ids() -> Result<(Vec<Ids>, Vec<Ids>), Error> {
    let read = |path: &str| {
        fs::read_to_string(path)
            .during_on("read", path)
            .map(|text| parse_map(&text))
    };
    Ok((read("/proc/self/uid_map")?, read("/proc/self/gid_map")?))
}

/// Whether these are the ids of a user namespace below the host's own.
pub(crate) fn is_nested(ids: &[Ids]) -> bool {
    ids != [Ids {
        first: 0,
        count: u32::MAX,
    }]
}

fn parse_map(text: &str) -> Vec<Ids> {
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(|number| number.parse().ok());
        let (first, _outside, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let _: u32 = _outside;
        Some(Ids { first, count })
    };
    text.lines().filter_map(line).collect()
}

/// Chooses the range for a sandbox of root's. Different names get different ranges as far as there are enough, so that
/// sandboxes share none of what the kernel counts per user.
pub(crate) fn choose(name: &str, uids: &[Ids], gids: &[Ids]) -> Option<Ids> {
    /// Ids below this may be those of accounts.
    const ACCOUNTS: u32 = 1001;
    /// In a nested user namespace there is often no more than one full range, which then has to be shared out.
    const SMALL_RANGE: u32 = 4096;
    let common = || {
        uids.iter()
            .flat_map(|uids| gids.iter().filter_map(|gids| intersect(*uids, *gids)))
    };
    let choices = [
        (
            Ids {
                first: CONTAINER_IDS.start,
                count: CONTAINER_IDS.end - CONTAINER_IDS.start,
            },
            FULL_RANGE,
        ),
        (
            Ids {
                first: ACCOUNTS,
                count: u32::MAX - ACCOUNTS,
            },
            FULL_RANGE,
        ),
        (
            Ids {
                first: ACCOUNTS,
                count: u32::MAX - ACCOUNTS,
            },
            SMALL_RANGE,
        ),
    ];
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    choices.into_iter().find_map(|(wanted, size)| {
        let largest = common()
            .filter_map(|ids| intersect(ids, wanted))
            .max_by_key(|ids| ids.count)?;
        let slots = largest.count / size;
        let slot = hasher.finish().checked_rem(slots.into())? as u32;
        Some(Ids {
            first: largest.first + slot * size,
            count: size,
        })
    })
}

fn intersect(a: Ids, b: Ids) -> Option<Ids> {
    let first = a.first.max(b.first);
    let end = a
        .first
        .saturating_add(a.count)
        .min(b.first.saturating_add(b.count));
    (end > first).then(|| Ids {
        first,
        count: end - first,
    })
}

/// The mapping with subordinate ids, or why there is none.
pub(crate) fn subordinate(uid: u32, gid: u32, path: Option<&std::ffi::OsStr>) -> Result<Mapping, String> {
    let find = |program: &str| {
        std::env::split_paths(path.unwrap_or_default())
            .map(|directory| directory.join(program))
            .find(|candidate| candidate.is_absolute() && candidate.is_file())
            .ok_or_else(|| format!("{program} is not installed"))
    };
    let (newuidmap, newgidmap) = (find("newuidmap")?, find("newgidmap")?);
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |file: &str| {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        parse_subordinate(&text, uid, account(&accounts, uid))
            .ok_or_else(|| format!("{file} sets no ids aside for user {uid}"))
    };
    Ok(Mapping::Subordinate {
        uid,
        gid,
        uids: ids("/etc/subuid")?,
        gids: ids("/etc/subgid")?,
        newuidmap,
        newgidmap,
    })
}

fn account(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// The first range of a user that is large enough to hold [`USER`] too.
fn parse_subordinate(text: &str, uid: u32, account: Option<&str>) -> Option<Ids> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let (first, count): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        let ours = Some(owner) == account || owner.parse() == Ok(uid);
        (ours && count >= USER).then(|| Ids {
            first,
            count: count.min(FULL_RANGE - 1),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(first: u32, count: u32) -> Ids {
        Ids { first, count }
    }

    #[test]
    fn root_of_the_host_gets_full_ranges_among_the_containers() {
        let all = parse_map("         0          0 4294967295\n");
        assert!(!is_nested(&all));
        let (a, b) = (choose("a", &all, &all).unwrap(), choose("b", &all, &all).unwrap());
        assert_ne!(a, b);
        for range in [a, b] {
            assert_eq!(range.count, FULL_RANGE);
            assert!(
                CONTAINER_IDS.contains(&range.first)
                    && CONTAINER_IDS.contains(&(range.first + range.count - 1))
            );
        }
    }

    #[test]
    fn nested_root_gets_only_what_is_mapped() {
        let nested = parse_map("0 100000 65536\n");
        assert!(is_nested(&nested));
        let range = choose("a", &nested, &nested).unwrap();
        assert!(
            range.first > 1000 && range.count > USER && range.first + range.count <= 65_536,
            "{range:?}"
        );

        let wide = [ids(0, 1), ids(1, 500_000)];
        let range = choose("a", &wide, &wide).unwrap();
        assert!(
            range.count == FULL_RANGE && range.first + range.count <= 500_001,
            "{range:?}"
        );

        assert_eq!(choose("a", &[ids(0, 1)], &[ids(0, 1)]), None);
        assert_eq!(choose("a", &wide, &[ids(0, 1)]), None, "groups count too");
        assert_eq!(choose("a", &[], &[]), None);
    }

    #[test]
    fn finds_the_ids_set_aside_by_name_or_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n";
        assert_eq!(account(passwd, 1001), Some("ann"));
        let subuid = "bob:1:65536\nann:5:10\nann:100000:65536\n1002:300000:2000\nbroken\n";
        assert_eq!(
            parse_subordinate(subuid, 1001, Some("ann")),
            Some(ids(100_000, 65_535))
        );
        assert_eq!(parse_subordinate(subuid, 1002, None), Some(ids(300_000, 2000)));
        assert_eq!(parse_subordinate(subuid, 1003, None), None);
    }
}

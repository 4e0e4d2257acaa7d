//! The files of `/etc` that are written anew.

use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::skeleton::{create_file, make_directory};
use crate::error::Error;

const USERS: &str = "root:x:0:0:root:/root:/usr/sbin/nologin\n\
    sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/bash\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

const GROUPS: &str = "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n";

/// What every sandbox says of itself, whatever its programs are.
const OWN: [(&str, &str); 3] = [
    ("hostname", "sandbox\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"),
    ("resolv.conf", "# There is no network but loopback.\n"),
];

const FILES: [(&str, &str); 6] = [
    ("passwd", USERS),
    ("group", GROUPS),
    ("shells", "/bin/sh\n/bin/bash\n"),
    ("host.conf", "multi on\n"),
    // No service is asked but the files: there is no network to ask one over.
    (
        "nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n\
        services: files\nethers: files\nrpc: files\n",
    ),
    (
        "profile",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\nexport PATH\numask 022\n",
    ),
];

pub(super) fn write(root: BorrowedFd<'_>) -> Result<(), Error> {
    make_directory(root, "etc")?;
    FILES
        .into_iter()
        .chain(OWN)
        .try_for_each(|(name, content)| create_file(root, format!("etc/{name}"), content.as_bytes()))
}

/// What covers files of an image, whose accounts are kept. The sandbox's user is the first with its id, and so gives it
/// its name.
pub(super) fn write_over(image: BorrowedFd<'_>, upper: BorrowedFd<'_>) -> Result<(), Error> {
    make_directory(upper, "etc")?;
    for (name, content) in OWN {
        create_file(upper, format!("etc/{name}"), content.as_bytes())?;
    }
    let accounts = [
        (
            "etc/passwd",
            "sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\n",
            USERS,
        ),
        ("etc/group", "sandbox:x:1000:\n", GROUPS),
    ];
    for (path, ours, without_any) in accounts {
        let content = match read_within(image, path) {
            Some(theirs) => [ours.as_bytes(), &theirs].concat(),
            None => without_any.as_bytes().to_vec(),
        };
        create_file(upper, path, &content)?;
    }
    Ok(())
}

/// A file of a tree that nobody vouches for. What is no file, or too long for one of accounts, is as good as none.
fn read_within(tree: BorrowedFd<'_>, path: &str) -> Option<Vec<u8>> {
    const LONGEST: u64 = 1 << 20;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(tree, path, flags, Mode::empty(), within).ok()?;
    let file = File::from(file);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 <= LONGEST).then_some(content)
}

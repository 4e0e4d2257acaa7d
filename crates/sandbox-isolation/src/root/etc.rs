//! The files of `/etc` that are written anew.

use std::os::fd::BorrowedFd;

use super::skeleton::{create_file, make_directory};
use crate::error::Error;

const FILES: [(&str, &str); 9] = [
    (
        "passwd",
        "root:x:0:0:root:/root:/usr/sbin/nologin\n\
        sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/bash\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n"),
    ("shells", "/bin/sh\n/bin/bash\n"),
    ("hostname", "sandbox\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"),
    ("host.conf", "multi on\n"),
    // No service is asked but the files: there is no network to ask one over.
    (
        "nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n\
        services: files\nethers: files\nrpc: files\n",
    ),
    ("resolv.conf", "# There is no network but loopback.\n"),
    (
        "profile",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\nexport PATH\numask 022\n",
    ),
];

pub(super) fn write(root: BorrowedFd<'_>) -> Result<(), Error> {
    make_directory(root, "etc")?;
    FILES
        .into_iter()
        .try_for_each(|(name, content)| create_file(root, format!("etc/{name}"), content.as_bytes()))
}

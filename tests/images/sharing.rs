//! A hundred sessions of one image.

use std::path::Path;
use std::sync::Arc;

use contract_tests::{images, trials};
use futures_util::future::join_all;
use libtest_mimic::Trial;

use crate::house::{House, SESSIONS, output};

/// What a session may take on disk and in its own files before it writes.
const OWN_BYTES: u64 = 100 << 10;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "sharing": a_hundred_sessions_share_one_image]
}

async fn a_hundred_sessions_share_one_image(house: Arc<House>) {
    house.import("shared:1", images::busybox, &[]);
    let image = house
        .images()
        .find(&"shared:1".parse().unwrap())
        .unwrap()
        .unwrap();
    let kept = image.tree.parent().unwrap();
    let (store, state) = (size(kept), size(house.state()));
    let sessions = join_all((0..SESSIONS).map(|_| house.session("shared:1"))).await;
    for session in &sessions {
        // The file system that all of its own files are in.
        let own = output(
            session,
            "df -k /workspace | tail -n 1 | tr -s ' ' | cut -d ' ' -f 3",
        )
        .await;
        let own: u64 = own.trim().parse().unwrap();
        assert!(own << 10 < OWN_BYTES, "a session has {own} KiB of its own");
    }
    let inode = "stat -c %i /bin/busybox";
    let first = output(&sessions[0], inode).await;
    assert_eq!(output(&sessions[1], inode).await, first);
    assert_eq!(size(kept), store, "the store grows by nothing");
    let grown = size(house.state()) - state;
    assert!(grown / (SESSIONS as u64) < OWN_BYTES, "{grown}");
    for deleted in join_all(sessions.iter().map(|session| session.delete().into_future())).await {
        deleted.unwrap();
    }
}

/// Bytes on disk of all that is in a directory.
fn size(dir: &Path) -> u64 {
    let output = std::process::Command::new("du")
        .arg("-sk")
        .arg(dir)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let kilobytes: u64 = text.split_whitespace().next().unwrap().parse().unwrap();
    kilobytes << 10
}

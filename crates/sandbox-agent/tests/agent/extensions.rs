//! OpenSSH's extensions of SFTP, byte for byte as its client sends them.

use std::fs;
use std::os::unix::fs::MetadataExt;

use libtest_mimic::Trial;
use russh::client::Handle;
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};

use crate::forward::{Trusting, connect};
use crate::harness::{TestAgent, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("extensions_are_announced_with_their_versions", announced),
        trial("posix_rename_replaces_in_one_step", posix_rename),
        trial("hardlink_makes_another_name", hardlink),
        trial("fsync_waits_for_the_disk", fsync),
        trial("statvfs_tells_of_the_file_system", statvfs),
        trial("limits_are_told_and_kept", limits),
        trial("other_extensions_are_refused", unknown),
    ]
}

/// A session without the conveniences, its connection, and what the agent has announced.
struct Raw {
    session: RawSftpSession,
    extensions: Vec<(String, String)>,
    _connection: Handle<Trusting>,
}

async fn open(agent: &TestAgent) -> Raw {
    let connection = connect(agent).await;
    let channel = connection.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let session = RawSftpSession::new(channel.into_stream());
    let version = session.init().await.unwrap();
    assert_eq!(version.version, 3);
    let mut extensions: Vec<_> = version.extensions.into_iter().collect();
    extensions.sort();
    Raw {
        session,
        extensions,
        _connection: connection,
    }
}

/// Strings as SSH has them, one behind the other.
fn strings(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

impl Raw {
    /// What the agent answers to an extended request that has no answer but a status.
    async fn extended(&self, name: &str, texts: &[&str]) -> StatusCode {
        match self.session.extended(name, strings(texts)).await {
            Ok(Packet::Status(status)) => status.status_code,
            Err(Error::Status(status)) => status.status_code,
            other => panic!("{name}: {other:?}"),
        }
    }
}

async fn announced() {
    let agent = TestAgent::start();
    let raw = open(&agent).await;
    let expected = [
        ("fsync@openssh.com", "1"),
        ("hardlink@openssh.com", "1"),
        ("limits@openssh.com", "1"),
        ("posix-rename@openssh.com", "1"),
        ("statvfs@openssh.com", "2"),
    ];
    let found: Vec<_> = raw
        .extensions
        .iter()
        .map(|(name, version)| (name.as_str(), version.as_str()))
        .collect();
    assert_eq!(found, expected);
}

async fn posix_rename() {
    let agent = TestAgent::start();
    let raw = open(&agent).await;
    let workspace = agent.workspace();
    fs::write(workspace.join("new"), "new").unwrap();
    fs::write(workspace.join("old"), "old").unwrap();
    let rename = "posix-rename@openssh.com";
    assert_eq!(raw.extended(rename, &["new", "old"]).await, StatusCode::Ok);
    assert_eq!(fs::read(workspace.join("old")).unwrap(), b"new");
    assert!(!workspace.join("new").exists());
    assert_eq!(
        raw.extended(rename, &["new", "old"]).await,
        StatusCode::NoSuchFile
    );
    fs::create_dir(workspace.join("folder")).unwrap();
    assert_eq!(
        raw.extended(rename, &["old", "folder"]).await,
        StatusCode::Failure
    );
    // Half a request.
    assert_eq!(raw.extended(rename, &["old"]).await, StatusCode::BadMessage);
    assert_eq!(fs::read(workspace.join("old")).unwrap(), b"new");
}

async fn hardlink() {
    let agent = TestAgent::start();
    let raw = open(&agent).await;
    let workspace = agent.workspace();
    fs::write(workspace.join("file"), "content").unwrap();
    let link = "hardlink@openssh.com";
    assert_eq!(raw.extended(link, &["file", "other"]).await, StatusCode::Ok);
    let inode = |name| fs::metadata(workspace.join(name)).unwrap().ino();
    assert_eq!(inode("file"), inode("other"));
    assert_eq!(raw.extended(link, &["file", "other"]).await, StatusCode::Failure);
    assert_eq!(
        raw.extended(link, &["nothing", "x"]).await,
        StatusCode::NoSuchFile
    );
}

async fn fsync() {
    let agent = TestAgent::start();
    let raw = open(&agent).await;
    let flags = OpenFlags::WRITE | OpenFlags::CREATE;
    let opened = raw
        .session
        .open("file", flags, FileAttributes::empty())
        .await
        .unwrap();
    raw.session
        .write(&opened.handle, 0, b"content".to_vec())
        .await
        .unwrap();
    let fsync = "fsync@openssh.com";
    assert_eq!(raw.extended(fsync, &[&opened.handle]).await, StatusCode::Ok);
    assert_eq!(fs::read(agent.workspace().join("file")).unwrap(), b"content");
    raw.session.close(&opened.handle).await.unwrap();
    assert_eq!(raw.extended(fsync, &[&opened.handle]).await, StatusCode::Failure);
    assert_eq!(raw.extended(fsync, &["no handle"]).await, StatusCode::Failure);
}

async fn statvfs() {
    let agent = TestAgent::start();
    let raw = open(&agent).await;
    let told = raw.session.statvfs(".").await.unwrap();
    let known = rustix::fs::statvfs(agent.workspace()).unwrap();
    assert_eq!(
        (
            told.block_size,
            told.fragment_size,
            told.blocks,
            told.inodes,
            told.name_max
        ),
        (
            known.f_bsize,
            known.f_frsize,
            known.f_blocks,
            known.f_files,
            known.f_namemax
        )
    );
    assert!(told.blocks_avail <= told.blocks_free && told.blocks_free <= told.blocks);
    match raw.session.statvfs("nothing").await {
        Err(Error::Status(status)) => assert_eq!(status.status_code, StatusCode::NoSuchFile),
        other => panic!("{other:?}"),
    }
}

async fn limits() {
    let agent = TestAgent::start();
    let raw = open(&agent).await;
    let told = raw.session.limits().await.unwrap();
    assert!(told.max_read_len < told.max_packet_len && told.max_write_len < told.max_packet_len);
    assert!((100..10_000).contains(&told.max_open_handles), "{told:?}");
    let flags = OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE;
    let opened = raw
        .session
        .open("file", flags, FileAttributes::empty())
        .await
        .unwrap();
    // The longest write goes through, and comes back by reads of the longest that there are.
    let length = usize::try_from(told.max_write_len).unwrap();
    let content: Vec<u8> = (0..length).map(|n| (n / 3) as u8).collect();
    raw.session
        .write(&opened.handle, 0, content.clone())
        .await
        .unwrap();
    let mut back = Vec::new();
    while back.len() < length {
        let read = raw
            .session
            .read(&opened.handle, back.len() as u64, u32::MAX)
            .await
            .unwrap();
        assert!(!read.data.is_empty() && read.data.len() as u64 <= told.max_read_len);
        back.extend_from_slice(&read.data);
    }
    assert!(back == content);
    // And not one more handle than it says.
    for _ in 1..told.max_open_handles {
        raw.session
            .open("file", OpenFlags::READ, FileAttributes::empty())
            .await
            .unwrap();
    }
    assert!(
        raw.session
            .open("file", OpenFlags::READ, FileAttributes::empty())
            .await
            .is_err()
    );
}

async fn unknown() {
    let agent = TestAgent::start();
    let raw = open(&agent).await;
    for name in ["copy-data", "users-groups-by-id@openssh.com", "", "x"] {
        assert_eq!(
            raw.extended(name, &["a", "b"]).await,
            StatusCode::OpUnsupported,
            "{name:?}"
        );
    }
    assert_eq!(raw.session.realpath(".").await.unwrap().files.len(), 1);
}

//! Files.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use libtest_mimic::Trial;
use sandbox_tunnel::{Create, ErrorKind, FileKind, Sftp, SftpFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{TestAgent, noise, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("files_come_back_as_they_went", round_trip),
        trial("creating_anew_respects_what_is_there", create_new),
        trial("directories_are_made_listed_and_removed", directories),
        trial("a_large_directory_is_listed_whole", large_directory),
        trial("links_and_attributes", links_and_attributes),
        trial("renaming_never_replaces", rename),
        trial("what_is_no_file_is_refused_at_once", special_files),
        trial("open_files_are_limited", handle_limit),
        trial("errors_say_what_was_wrong", errors),
    ]
}

async fn start(agent: &TestAgent) -> Sftp {
    agent.user().await.sftp().await.unwrap()
}

async fn write(mut file: SftpFile, bytes: &[u8]) {
    file.write_all(bytes).await.unwrap();
    file.shutdown().await.unwrap();
}

async fn read(sftp: &Sftp, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    sftp.open(path)
        .await
        .unwrap()
        .read_to_end(&mut bytes)
        .await
        .unwrap();
    bytes
}

async fn round_trip() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    for (name, size) in [("empty", 0), ("one", 1), ("odd", 262_145), ("large", 16 << 20)] {
        let bytes = noise(size);
        write(sftp.create(name, Create::New).await.unwrap(), &bytes).await;
        assert!(
            fs::read(agent.workspace().join(name)).unwrap() == bytes,
            "{name} on disk"
        );
        assert!(read(&sftp, name).await == bytes, "{name} read back");
        assert_eq!(sftp.metadata(name).await.unwrap().size, size as u64);
    }
    let absolute = agent.workspace().join("naïve name \u{1f980}");
    write(
        sftp.create(absolute.to_str().unwrap(), Create::New)
            .await
            .unwrap(),
        b"x",
    )
    .await;
    assert_eq!(fs::read(absolute).unwrap(), b"x");
}

async fn create_new() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    write(sftp.create("file", Create::New).await.unwrap(), b"a longer first").await;
    assert_eq!(
        sftp.create("file", Create::New).await.unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(read(&sftp, "file").await, b"a longer first");
    write(sftp.create("file", Create::Truncate).await.unwrap(), b"second").await;
    assert_eq!(read(&sftp, "file").await, b"second");
    // A link is something that is there, wherever it leads.
    symlink("/nonexistent", agent.workspace().join("dangling")).unwrap();
    assert_eq!(
        sftp.create("dangling", Create::New).await.unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
}

async fn directories() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    sftp.create_dir_all("a/b/c").await.unwrap();
    sftp.create_dir_all("a/b/c").await.unwrap();
    let absolute = agent.workspace().join("d/e");
    sftp.create_dir_all(absolute.to_str().unwrap()).await.unwrap();
    assert!(absolute.is_dir());
    write(sftp.create("a/b/file", Create::New).await.unwrap(), b"x").await;
    let mut entries = sftp.read_dir("a/b").await.unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let found: Vec<_> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.metadata.kind))
        .collect();
    assert_eq!(found, [("c", FileKind::Directory), ("file", FileKind::File)]);
    assert_eq!(
        sftp.create_dir_all("a/b/file/x").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        sftp.remove_dir("a/b").await.unwrap_err().kind(),
        ErrorKind::Failure
    );
    sftp.remove_file("a/b/file").await.unwrap();
    sftp.remove_dir("a/b/c").await.unwrap();
    sftp.remove_dir("a/b").await.unwrap();
    assert!(!agent.workspace().join("a/b").exists());
}

async fn large_directory() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    for n in 0..1234 {
        fs::write(agent.workspace().join(format!("file {n}")), []).unwrap();
    }
    let mut names: Vec<String> = sftp
        .read_dir("")
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 1234);
}

async fn links_and_attributes() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    write(sftp.create("target", Create::New).await.unwrap(), b"12345").await;
    sftp.symlink("target", "link").await.unwrap();
    assert_eq!(
        fs::read_link(agent.workspace().join("link")).unwrap().to_str(),
        Some("target")
    );
    assert_eq!(sftp.read_link("link").await.unwrap(), "target");
    assert_eq!(
        sftp.symlink_metadata("link").await.unwrap().kind,
        FileKind::Symlink
    );
    let metadata = sftp.metadata("link").await.unwrap();
    assert_eq!((metadata.kind, metadata.size), (FileKind::File, 5));
    assert!(metadata.modified.is_some());
    sftp.set_permissions("link", 0o640).await.unwrap();
    let mode = fs::metadata(agent.workspace().join("target"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert_eq!(sftp.metadata("target").await.unwrap().permissions, 0o640);
    let real = agent.workspace().canonicalize().unwrap();
    assert_eq!(sftp.canonicalize("").await.unwrap(), real.to_str().unwrap());
    assert_eq!(
        sftp.canonicalize("link").await.unwrap(),
        real.join("target").to_str().unwrap()
    );
    assert_eq!(
        sftp.canonicalize("not/../yet").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        sftp.canonicalize("yet").await.unwrap(),
        real.join("yet").to_str().unwrap()
    );
    symlink("loop", agent.workspace().join("loop")).unwrap();
    assert!(sftp.open("loop").await.is_err());
}

async fn rename() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    write(sftp.create("a", Create::New).await.unwrap(), b"a").await;
    write(sftp.create("b", Create::New).await.unwrap(), b"b").await;
    assert!(sftp.rename("a", "b").await.is_err());
    assert_eq!(read(&sftp, "b").await, b"b");
    sftp.rename("a", "c").await.unwrap();
    assert_eq!(read(&sftp, "c").await, b"a");
    assert_eq!(sftp.open("a").await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// A FIFO would hold up every other request, a device never end.
async fn special_files() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    let made = std::process::Command::new("mkfifo")
        .arg(agent.workspace().join("fifo"))
        .status()
        .unwrap();
    assert!(made.success());
    for path in ["fifo", "/dev/zero", "/dev/tty", "."] {
        assert!(sftp.open(path).await.is_err(), "{path} was opened");
        assert!(
            sftp.create(path, Create::Truncate).await.is_err(),
            "{path} was opened for writing"
        );
    }
    assert_eq!(sftp.metadata("fifo").await.unwrap().kind, FileKind::Other);
    write(sftp.create("file", Create::New).await.unwrap(), b"still served").await;
}

async fn handle_limit() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    write(sftp.create("file", Create::New).await.unwrap(), b"x").await;
    let mut open = Vec::new();
    let error = loop {
        match sftp.open("file").await {
            Ok(file) => open.push(file),
            Err(error) => break error,
        }
        assert!(open.len() < 10_000, "no limit");
    };
    // Our client asks for the server's limits and keeps to them by itself.
    assert_eq!(error.kind(), ErrorKind::Failure);
    assert!(open.len() >= 100, "{}", open.len());
    drop(open);
    assert_eq!(read(&sftp, "file").await, b"x");
}

async fn errors() {
    let agent = TestAgent::start();
    let sftp = start(&agent).await;
    assert_eq!(
        sftp.open("nothing").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        sftp.metadata("nothing").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        sftp.read_dir("nothing").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        sftp.remove_file("nothing").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        sftp.create("nowhere/file", Create::New).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(sftp.create_dir("").await.unwrap_err().kind(), ErrorKind::Failure);
    for path in ["nul\0inside", &"x".repeat(300)] {
        assert!(sftp.create(path, Create::New).await.is_err());
        assert!(sftp.metadata(path).await.is_err());
    }
    // And it goes on serving.
    assert!(sftp.read_dir(".").await.unwrap().is_empty());
}

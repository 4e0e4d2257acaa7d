//! Transfers that go on where they were interrupted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ssh::{SshDownload, SshUpload, TransferProgress, Transferred};
use sandbox_sessions::{Error, ErrorKind, SessionSshClient, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "resume":
        a_dropped_upload_is_continued,
        a_dropped_download_is_continued,
        a_lost_connection_is_gone_on_after,
        files_of_a_folder_that_have_arrived_are_passed_over,
        a_source_that_has_changed_is_copied_anew,
        what_was_left_is_compared,
        links_in_the_place_of_what_was_left_are_not_followed,
        nothing_is_left_where_going_on_is_no_use,
    ]
}

const SIZE: usize = 40 << 20;
/// How much has gone over before a transfer is interrupted, and how much of it may not count.
const BEFORE: u64 = 30 << 20;
const NOT_RELIED_ON: u64 = 20 << 20;

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

async fn shell(ssh: &SessionSshClient, command: &str) -> String {
    let output = ssh.run_command(command).await.unwrap();
    assert!(output.is_success(), "{command}: {}", output.stderr());
    output.stdout().into_owned()
}

async fn sha256(ssh: &SessionSshClient, path: &str) -> String {
    let output = shell(ssh, &format!("sha256sum < {path}")).await;
    output.split_whitespace().next().unwrap().to_owned()
}

fn sha256_of(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Runs a transfer, made with an observer, until it has carried so many bytes; then drops it.
async fn interrupted<T>(make: impl FnOnce(Box<dyn Fn(TransferProgress) + Send + Sync>) -> T, bytes: u64)
where
    T: IntoFuture<Output = Result<Transferred, Error>>,
{
    let enough = Arc::new(Notify::new());
    let told = enough.clone();
    let transfer = make(Box::new(move |progress| {
        if progress.bytes >= bytes {
            told.notify_one();
        }
    }));
    tokio::select! {
        outcome = transfer.into_future() => panic!("it was not interrupted: {outcome:?}"),
        () = enough.notified() => {}
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A file of this machine, last changed a while ago.
fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    changed(&path, Duration::from_secs(100));
    path
}

fn changed(path: &Path, ago: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - ago).unwrap();
}

fn upload(ssh: &SessionSshClient, local: &Path, remote: &str) -> SshUpload {
    ssh.upload(local, remote).resume(true)
}

fn download(ssh: &SessionSshClient, remote: &str, local: &Path) -> SshDownload {
    ssh.download(remote, local).resume(true)
}

#[track_caller]
fn assert_continued(done: Transferred) {
    assert_eq!((done.files, done.bytes), (1, SIZE as u64));
    assert!(done.resumed_bytes >= BEFORE - NOT_RELIED_ON, "{done:?}");
    assert!(done.resumed_bytes < done.bytes, "{done:?}");
}

async fn a_dropped_upload_is_continued(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let content = noise(SIZE);
    let source = file(here.path(), "source", &content);
    shell(&ssh, "echo old > target").await;
    interrupted(|told| upload(&ssh, &source, "target").progress(told), BEFORE).await;
    // As atomic as ever.
    assert_eq!(shell(&ssh, "cat target").await, "old\n");
    assert_eq!(shell(&ssh, "ls -A | grep -c '^.upload-'").await, "1\n");
    assert_continued(upload(&ssh, &source, "target").await.unwrap());
    assert_eq!(sha256(&ssh, "target").await, sha256_of(&content));
    assert_eq!(shell(&ssh, "ls -A").await, "target\n");
    // Once more: there is nothing to be done.
    let done = upload(&ssh, &source, "target").await.unwrap();
    assert_eq!(
        (done.files, done.bytes, done.resumed_bytes),
        (1, SIZE as u64, SIZE as u64)
    );
    session.delete().await.unwrap();
}

async fn a_dropped_download_is_continued(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let content = noise(SIZE);
    ssh.upload(file(here.path(), "up", &content), "source")
        .await
        .unwrap();
    let folder = here.path().join("down");
    fs::create_dir(&folder).unwrap();
    let target = file(&folder, "target", b"old");
    interrupted(|told| download(&ssh, "source", &target).progress(told), BEFORE).await;
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(&folder).len(), 2);
    assert_continued(download(&ssh, "source", &target).await.unwrap());
    assert!(fs::read(&target).unwrap() == content);
    assert_eq!(names(&folder), ["target"]);
    let done = download(&ssh, "source", &target).await.unwrap();
    assert_eq!(done.resumed_bytes, SIZE as u64);
    session.delete().await.unwrap();
}

/// Carries so many bytes of the connections that are made to it, in one direction, and then cuts them off.
async fn cutter(server: &str, bytes: Arc<AtomicU64>) -> String {
    let server: Vec<_> = server.split('/').map(str::to_owned).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{}", listener.local_addr().unwrap(), server[3]);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (mut to, bytes) = (TcpStream::connect(&server[2]).await.unwrap(), bytes.clone());
            tokio::spawn(async move {
                let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
                loop {
                    let carried = tokio::select! {
                        read = client.read(&mut up) => {
                            let read = read.unwrap_or(0);
                            to.write_all(&up[..read]).await.map(|()| read)
                        }
                        read = to.read(&mut down) => {
                            let read = read.unwrap_or(0);
                            client.write_all(&down[..read]).await.map(|()| read)
                        }
                    };
                    let carried = carried.unwrap_or(0) as u64;
                    let left = bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                        left.checked_sub(carried)
                    });
                    if carried == 0 || left.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

async fn a_lost_connection_is_gone_on_after(house: Arc<House>) {
    let (session, _) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let content = noise(SIZE);
    let source = file(here.path(), "source", &content);
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let client = SessionsClient::new(
        cutter(house.client().api_url(), left.clone()).await,
        house.token(),
    )
    .unwrap();
    let ssh = client.ssh(&session.id()).await.unwrap();
    let target = here.path().join("back");
    left.store(BEFORE, Ordering::SeqCst);
    let error = upload(&ssh, &source, "target").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    left.store(u64::MAX, Ordering::SeqCst);
    assert_continued(upload(&ssh, &source, "target").await.unwrap());
    left.store(BEFORE, Ordering::SeqCst);
    let error = download(&ssh, "target", &target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    left.store(u64::MAX, Ordering::SeqCst);
    assert_continued(download(&ssh, "target", &target).await.unwrap());
    assert!(fs::read(&target).unwrap() == content);
    session.delete().await.unwrap();
}

async fn files_of_a_folder_that_have_arrived_are_passed_over(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let (up, down) = (here.path().join("up"), here.path().join("down"));
    fs::create_dir_all(up.join("deeper")).unwrap();
    for n in 0..50 {
        file(&up, &format!("{n}"), &noise(n * 100));
        file(&up, &format!("deeper/{n}"), &noise(n * 100));
    }
    let bytes = upload(&ssh, &up, "copy").await.unwrap().bytes;
    file(&up, "deeper/7", b"changed");
    let done = upload(&ssh, &up, "copy").await.unwrap();
    assert_eq!((done.files, done.bytes), (100, bytes - 700 + 7));
    assert_eq!(done.resumed_bytes, bytes - 700);
    assert_eq!(shell(&ssh, "cat copy/deeper/7").await, "changed");
    assert_eq!(download(&ssh, "copy", &down).await.unwrap().resumed_bytes, 0);
    shell(&ssh, "echo changed, too > copy/9; chmod 600 copy/9").await;
    let done = download(&ssh, "copy", &down).await.unwrap();
    assert_eq!(done.bytes - done.resumed_bytes, "changed, too\n".len() as u64);
    assert_eq!(fs::read(down.join("9")).unwrap(), b"changed, too\n");
    assert_eq!(fs::read(down.join("deeper/49")).unwrap(), noise(4900));
    session.delete().await.unwrap();
}

async fn a_source_that_has_changed_is_copied_anew(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let source = file(here.path(), "source", &noise(SIZE));
    interrupted(|told| upload(&ssh, &source, "target").progress(told), BEFORE).await;
    // The same size, another content, at another time.
    let mut content = noise(SIZE);
    content.reverse();
    fs::write(&source, &content).unwrap();
    let done = upload(&ssh, &source, "target").await.unwrap();
    assert_eq!(done.resumed_bytes, 0);
    assert_eq!(sha256(&ssh, "target").await, sha256_of(&content));
    // And without being asked to, nothing is resumed.
    assert_eq!(ssh.upload(&source, "target").await.unwrap().resumed_bytes, 0);
    session.delete().await.unwrap();
}

/// Another content of the same size that was written in the same second, as two sessions may have it.
async fn what_was_left_is_compared(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let content = noise(SIZE);
    let source = file(here.path(), "source", &content);
    let time = fs::metadata(&source).unwrap().modified().unwrap();
    interrupted(|told| upload(&ssh, &source, "target").progress(told), BEFORE).await;
    let mut other = content;
    other.reverse();
    fs::write(&source, &other).unwrap();
    fs::File::options()
        .write(true)
        .open(&source)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_eq!(upload(&ssh, &source, "target").await.unwrap().resumed_bytes, 0);
    assert_eq!(sha256(&ssh, "target").await, sha256_of(&other));

    let target = here.path().join("back");
    interrupted(|told| download(&ssh, "target", &target).progress(told), BEFORE).await;
    shell(
        &ssh,
        "touch -r target time; tr 'a-z' 'b-za' < target > other; touch -r time other; mv other target",
    )
    .await;
    assert_eq!(download(&ssh, "target", &target).await.unwrap().resumed_bytes, 0);
    assert_eq!(
        sha256(&ssh, "target").await,
        sha256_of(&fs::read(&target).unwrap())
    );
    session.delete().await.unwrap();
}

async fn links_in_the_place_of_what_was_left_are_not_followed(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let secret = file(here.path(), "secret", b"a file of this machine");
    ssh.upload(file(here.path(), "up", &noise(SIZE)), "source")
        .await
        .unwrap();
    let folder = here.path().join("down");
    fs::create_dir(&folder).unwrap();
    let target = folder.join("target");
    interrupted(|told| download(&ssh, "source", &target).progress(told), BEFORE).await;
    let left = folder.join(&names(&folder)[0]);
    fs::remove_file(&left).unwrap();
    symlink(&secret, &left).unwrap();
    let error = download(&ssh, "source", &target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error:?}");
    assert_eq!(fs::read(&secret).unwrap(), b"a file of this machine");
    fs::remove_file(&left).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &left, 0o600.into()).unwrap();
    let error = download(&ssh, "source", &target).await.unwrap_err();
    assert_eq!(error.error_code(), Some("PERMISSION_DENIED"), "{error:?}");
    session.delete().await.unwrap();
}

async fn nothing_is_left_where_going_on_is_no_use(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    // More than the session's disk holds.
    let large = file(here.path(), "large", b"");
    fs::File::options()
        .write(true)
        .open(&large)
        .unwrap()
        .set_len(100 << 30)
        .unwrap();
    let error = upload(&ssh, &large, "target").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error:?}");
    while !shell(&ssh, "ls -A").await.is_empty() {
        tokio::task::yield_now().await;
    }
    shell(&ssh, "echo x > source; mkdir folder").await;
    let folder = here.path().join("down");
    fs::create_dir(&folder).unwrap();
    fs::create_dir_all(folder.join("taken")).unwrap();
    // A folder takes the file in; what cannot be replaced is one in the way of that.
    fs::create_dir_all(folder.join("taken/source")).unwrap();
    assert!(download(&ssh, "source", &folder.join("taken")).await.is_err());
    assert_eq!(names(&folder.join("taken")), ["source"]);
    session.delete().await.unwrap();
}

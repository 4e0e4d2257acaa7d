//! Files over SFTP.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ssh::{Create, FileKind};
use sandbox_sessions::{ErrorKind, SessionSshClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "files":
        a_file_goes_there_and_back,
        a_folder_goes_there_and_back,
        a_thousand_small_files_go_there_and_back,
        a_file_replaces_another_only_when_it_is_complete,
        links_and_special_files_lead_nowhere_else,
        nor_do_they_over_http,
        sftp_does_what_it_says,
        what_goes_wrong_is_told,
    ]
}

async fn shell(ssh: &SessionSshClient, command: &str) -> String {
    let output = ssh.run_command(command).await.unwrap();
    assert!(output.is_success(), "{command}: {}", output.stderr());
    output.stdout().into_owned()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Every file below a folder with its content, every link with what it says.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn add(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if kind.is_dir() {
                found.insert(name + "/", Vec::new());
                add(root, &path, found);
            } else if kind.is_symlink() {
                found.insert(
                    name,
                    std::fs::read_link(path)
                        .unwrap()
                        .into_os_string()
                        .into_encoded_bytes(),
                );
            } else {
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    add(root, root, &mut found);
    found
}

async fn a_file_goes_there_and_back(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let (up, down) = (here.path().join("up.bin"), here.path().join("down.bin"));
    let content = noise(20_000_003);
    std::fs::write(&up, &content).unwrap();
    std::fs::set_permissions(&up, PermissionsExt::from_mode(0o754)).unwrap();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = steps.clone();
    let done = ssh
        .upload(&up, "/workspace/new/folder/there.bin")
        .progress(move |progress| seen.lock().unwrap().push(progress))
        .await
        .unwrap();
    assert_eq!(
        (done.files, done.bytes, done.skipped),
        (1, content.len() as u64, 0)
    );
    let steps = steps.lock().unwrap().clone();
    assert!(steps.len() > 10 && steps.is_sorted_by_key(|progress| progress.bytes));
    let last = steps.last().unwrap();
    assert_eq!(
        (last.files, last.bytes, last.total_bytes),
        (1, content.len() as u64, content.len() as u64)
    );
    assert_eq!(
        shell(&ssh, "stat -c '%a %s %U' new/folder/there.bin; ls -A new/folder").await,
        format!("754 {} sandbox\nthere.bin\n", content.len())
    );
    ssh.download("new/folder/there.bin", &down).await.unwrap();
    assert!(std::fs::read(&down).unwrap() == content);
    assert_eq!(
        std::fs::metadata(&down).unwrap().permissions().mode() & 0o7777,
        0o754
    );
    // Into folders that are there, under its own name; empty ones, too.
    std::fs::write(&up, "").unwrap();
    ssh.upload(&up, "/workspace/new")
        .keep_permissions(false)
        .await
        .unwrap();
    ssh.upload(&up, "further/").await.unwrap();
    assert_eq!(
        shell(&ssh, "stat -c '%n %s' new/up.bin further/up.bin").await,
        "new/up.bin 0\nfurther/up.bin 0\n"
    );
    ssh.download("/workspace/new/folder/there.bin", here.path())
        .keep_permissions(false)
        .await
        .unwrap();
    assert!(std::fs::read(here.path().join("there.bin")).unwrap() == content);
    session.delete().await.unwrap();
}

async fn a_folder_goes_there_and_back(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let (up, down) = (here.path().join("up"), here.path().join("down/deeper"));
    for folder in ["", "empty", "a/b/c", "ünï cödé"] {
        std::fs::create_dir_all(up.join(folder)).unwrap();
    }
    for (file, size) in [
        ("top", 10),
        ("a/one", 100_000),
        ("a/b/c/two", 0),
        ("ünï cödé/-rf *", 5),
        (".hidden", 1),
    ] {
        std::fs::write(up.join(file), noise(size)).unwrap();
    }
    symlink("a/one", up.join("link")).unwrap();
    let done = ssh.upload(&up, "/workspace/copy").await.unwrap();
    assert_eq!((done.files, done.bytes, done.skipped), (5, 100_016, 0));
    assert_eq!(
        shell(&ssh, "cat copy/link | wc -c; readlink copy/link").await,
        "100000\na/one\n"
    );
    // Again, over what is there.
    std::fs::write(up.join("top"), "changed").unwrap();
    ssh.upload(&up, "/workspace/copy/").await.unwrap();
    let done = ssh.download("copy", &down).await.unwrap();
    assert_eq!((done.files, done.skipped), (5, 1));
    let mut expected = tree(&up);
    expected.remove("link");
    assert_eq!(
        tree(&down).keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    assert!(tree(&down) == expected);
    session.delete().await.unwrap();
}

async fn a_thousand_small_files_go_there_and_back(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let (up, down) = (here.path().join("up"), here.path().join("down"));
    std::fs::create_dir(&up).unwrap();
    for n in 0..1000 {
        std::fs::write(up.join(format!("{n}")), format!("{n}").repeat(1000)).unwrap();
    }
    assert_eq!(ssh.upload(&up, "many").await.unwrap().files, 1000);
    assert_eq!(ssh.download("many", &down).await.unwrap().files, 1000);
    assert!(tree(&up) == tree(&down));
    session.delete().await.unwrap();
}

async fn a_file_replaces_another_only_when_it_is_complete(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let (large, target) = (here.path().join("large"), here.path().join("target"));
    std::fs::File::create(&large).unwrap().set_len(100 << 30).unwrap();
    shell(&ssh, "echo old > target").await;
    // More than the session's disk holds.
    let error = ssh.upload(&large, "target").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error:?}");
    // And one that nobody waits for.
    let begun = Arc::new(AtomicU64::new(0));
    let bytes = begun.clone();
    let upload = ssh.upload(&large, "target").progress(move |progress| {
        bytes.store(progress.bytes, Ordering::Relaxed);
        // Or the disk would be full before it is given up.
        std::thread::sleep(Duration::from_millis(5));
    });
    let uploading = tokio::spawn(async move { upload.await });
    while begun.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    uploading.abort();
    assert!(uploading.await.unwrap_err().is_cancelled());
    while shell(&ssh, "ls -A").await != "target\n" {
        tokio::task::yield_now().await;
    }
    assert_eq!(shell(&ssh, "cat target").await, "old\n");
    // The same here.
    std::fs::write(&target, "old").unwrap();
    shell(&ssh, "truncate -s 100G sparse").await;
    let downloaded = Arc::new(AtomicU64::new(0));
    let bytes = downloaded.clone();
    let download = ssh
        .download("sparse", &target)
        .progress(move |progress| bytes.store(progress.bytes, Ordering::Relaxed));
    let downloading = tokio::spawn(async move { download.await });
    while downloaded.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    downloading.abort();
    assert!(downloading.await.unwrap_err().is_cancelled());
    assert_eq!(std::fs::read(&target).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 2);
    session.delete().await.unwrap();
}

/// Whatever kind of link or file it is: no file of this machine is read or written by way of the session, and nothing
/// hangs.
async fn links_and_special_files_lead_nowhere_else(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let (secret, up, down) = (
        here.path().join("secret"),
        here.path().join("up"),
        here.path().join("down"),
    );
    std::fs::write(&secret, "a secret of this machine").unwrap();
    std::fs::write(&up, "from here").unwrap();
    let path = secret.display();
    shell(
        &ssh,
        &format!(
            "ln -s {path} absolute; ln -s ../../../../../../..{path} relative; ln -s /proc/self/root{path} root; \
             ln -s /proc/1/root{path} first; ln -s /proc/self/cwd/../..{path} cwd; mkfifo fifo; ln -s fifo to-fifo; \
             ln -s /dev/zero device; ln -s loop loop; mkdir folder; mkfifo folder/fifo; ln -s {path} folder/absolute; \
             ln -s / folder/outside; ln -s {path} {down}", down = "dangling"
        ),
    )
    .await;
    let names = [
        "absolute",
        "relative",
        "root",
        "first",
        "cwd",
        "fifo",
        "to-fifo",
        "device",
        "loop",
        "/dev/zero",
        "/dev/tty",
    ];
    for name in names {
        let error = ssh.download(name, &down).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Operation, "{name}: {error:?}");
        assert!(!down.exists(), "{name}");
    }
    for name in names {
        // In place of the link or the FIFO, if at all: it is renamed over it.
        let _ = ssh.upload(&up, name).await;
        assert_eq!(
            std::fs::read(&secret).unwrap(),
            b"a secret of this machine",
            "{name}"
        );
    }
    assert_eq!(shell(&ssh, "cat absolute fifo").await, "from herefrom here");
    let done = ssh.download("folder", &down).await.unwrap();
    assert_eq!((done.files, done.skipped), (0, 3));
    assert!(tree(&down).is_empty());
    // This machine's own FIFO is as little read.
    rustix::fs::mkfifoat(rustix::fs::CWD, here.path().join("fifo"), 0o600.into()).unwrap();
    let error = ssh.upload(here.path().join("fifo"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error:?}");
    session.delete().await.unwrap();
}

async fn nor_do_they_over_http(house: Arc<House>) {
    const SECRET: &str = "a secret of this machine";
    let session = house.session().await;
    let here = tempfile::tempdir().unwrap();
    let secret = here.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let path = secret.display();
    let links = format!(
        "ln -s {path} absolute; ln -s ../../../../../../..{path} relative; ln -s /proc/self/root{path} root; \
         ln -s /proc/1/root{path} first; mkfifo fifo; ln -s fifo to-fifo; ln -s /dev/zero device; ln -s loop loop; \
         mkdir -p away; ln -s {folder} folder",
        folder = here.path().display()
    );
    assert!(session.run_command(links).await.unwrap().success());
    let names = [
        "absolute",
        "relative",
        "root",
        "first",
        "fifo",
        "to-fifo",
        "device",
        "loop",
        "/dev/zero",
        "/dev/tty",
        "folder/secret",
    ];
    for name in names {
        let error = session.download_file(name).await.unwrap_err();
        assert!(
            matches!(error.status_code(), Some(400 | 403 | 404)),
            "{name}: {error:?}"
        );
    }
    for name in names {
        for overwrite in [false, true] {
            // In its place, if at all.
            let _ = session.upload_file(name, "from here").overwrite(overwrite).await;
            assert_eq!(std::fs::read_to_string(&secret).unwrap(), SECRET, "{name}");
        }
    }
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 1);
    let replaced = session.run_command("cat absolute fifo device").await.unwrap();
    assert_eq!(replaced.stdout(), "from herefrom herefrom here");
    session.delete().await.unwrap();
}

async fn sftp_does_what_it_says(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let sftp = ssh.sftp().await.unwrap();
    sftp.create_dir("one").await.unwrap();
    sftp.create_dir_all("one/two/three").await.unwrap();
    let mut file = sftp.create("one/file", Create::New).await.unwrap();
    file.write_all(b"content").await.unwrap();
    file.shutdown().await.unwrap();
    sftp.set_permissions("one/file", 0o640).await.unwrap();
    let metadata = sftp.metadata("one/file").await.unwrap();
    assert_eq!(
        (metadata.kind, metadata.size, metadata.permissions),
        (FileKind::File, 7, 0o640)
    );
    sftp.symlink("file", "one/link").await.unwrap();
    assert_eq!(sftp.read_link("one/link").await.unwrap(), "file");
    assert_eq!(
        sftp.symlink_metadata("one/link").await.unwrap().kind,
        FileKind::Symlink
    );
    assert_eq!(
        sftp.canonicalize("one/link").await.unwrap(),
        "/workspace/one/file"
    );
    let mut names: Vec<String> = sftp
        .read_dir("one")
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort();
    assert_eq!(names, ["file", "link", "two"]);
    sftp.rename("one/file", "one/renamed").await.unwrap();
    sftp.create("one/other", Create::New)
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    assert!(sftp.rename("one/renamed", "one/other").await.is_err());
    sftp.replace("one/renamed", "one/other").await.unwrap();
    let mut content = String::new();
    sftp.open("one/other")
        .await
        .unwrap()
        .read_to_string(&mut content)
        .await
        .unwrap();
    assert_eq!(content, "content");
    sftp.remove_file("one/other").await.unwrap();
    sftp.remove_dir("one/two/three").await.unwrap();
    assert!(sftp.remove_dir("one").await.is_err());
    session.delete().await.unwrap();
}

async fn what_goes_wrong_is_told(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let sftp = ssh.sftp().await.unwrap();
    let error = sftp.open("nothing").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.error_code()),
        (ErrorKind::Operation, Some("FILE_NOT_FOUND"))
    );
    sftp.create("there", Create::New)
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    let error = sftp.create("there", Create::New).await.unwrap_err();
    assert_eq!(error.error_code(), Some("FILE_EXISTS"));
    let error = ssh.upload(&file, "/etc/passwd").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert!(error.to_string().contains("/etc/passwd"), "{error}");
    let error = ssh.upload(here.path().join("nothing"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("nothing"), "{error}");
    let error = ssh.download("nothing", &file).await.unwrap_err();
    assert_eq!(error.error_code(), Some("FILE_NOT_FOUND"));
    let error = ssh.download("there", "/proc/nowhere/x").await.unwrap_err();
    assert!(error.to_string().contains("/proc/nowhere"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
    session.delete().await.unwrap();
}

//! What runs in sessions of images of every kind.

use std::path::Path;
use std::sync::Arc;

use contract_tests::{images, trials};
use libtest_mimic::Trial;
use sandbox_sessions::Language;

use crate::house::{House, output, read};

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "programs":
        python_runs_code,
        without_libc_everything_but_its_programs_works,
        one_program_needs_no_shell,
        the_configuration_is_honoured,
        what_an_image_says_of_users_and_programs_changes_nothing,
        a_missing_interpreter_is_named_with_what_there_is,
    ]
}

async fn python_runs_code(house: Arc<House>) {
    house.import("python:3", images::python, &[]);
    let session = house.session("python:3").await;
    assert_eq!(session.image(), Some("python:3"));
    let code = "import sys, json, hashlib, os\nprint(os.getuid(), os.getcwd(), json.dumps([1]))\n\
        open('file', 'w').write('kept')";
    let result = session.run_code(code).await.unwrap();
    assert_eq!((result.stdout(), result.stderr()), ("1000 /workspace [1]\n", ""));
    assert_eq!(read(&session, "file").await, "kept");
    session.delete().await.unwrap();
}

async fn without_libc_everything_but_its_programs_works(house: Arc<House>) {
    house.import("busybox:1", images::busybox, &[]);
    let session = house.session("busybox:1").await;
    assert_eq!(
        output(&session, "id -un; hostname; pwd; echo $HOME").await,
        "sandbox\nsandbox\n/workspace\n/home/sandbox\n"
    );
    assert_eq!(
        output(&session, "ls /lib /usr 2>&1 | grep -c 'No such'").await,
        "2\n"
    );
    // SFTP is a process of our own program, which has libraries.
    session.upload_file("dir/file", "content").await.unwrap();
    assert_eq!(output(&session, "cat dir/file").await, "content");
    assert_eq!(read(&session, "dir/file").await, "content");
    let ssh = session.ssh().await.unwrap();
    assert_eq!(
        ssh.run_command("echo $((6 * 7)); exit 3")
            .await
            .unwrap()
            .exit_code(),
        Some(3)
    );
    session.delete().await.unwrap();
}

async fn one_program_needs_no_shell(house: Arc<House>) {
    house.import("one:1", images::one_program, &["--config.env", "PATH=/"]);
    let session = house.session("one:1").await;
    assert_eq!(output(&session, "/busybox echo 'it runs;'").await, "it runs;\n");
    assert_eq!(output(&session, "busybox id -u").await, "1000\n");
    let missing = session.run_command("ls").await.unwrap();
    assert_eq!(
        (missing.exit_code(), missing.stderr()),
        (Some(127), "sandbox: ls: not found\n")
    );
    let syntax = session.run_command("busybox true && busybox true").await.unwrap();
    assert_eq!(syntax.exit_code(), Some(127));
    assert!(
        syntax.stderr().contains("no shell in this image"),
        "{}",
        syntax.stderr()
    );
    let code = session.run_code("1").await.unwrap();
    assert!(
        code.stderr().contains("no shell in this image"),
        "{}",
        code.stderr()
    );
    session.upload_file("file", "content").await.unwrap();
    assert_eq!(output(&session, "busybox cat file").await, "content");
    session.delete().await.unwrap();
}

async fn the_configuration_is_honoured(house: Arc<House>) {
    let fill: fn(&Path) = |tree| {
        images::busybox(tree);
        std::fs::create_dir_all(tree.join("srv/app")).unwrap();
        std::fs::create_dir(tree.join("tools")).unwrap();
        let tool = tree.join("tools/tool");
        std::fs::write(&tool, "#!/bin/sh\necho found\n").unwrap();
        std::fs::set_permissions(tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let config = [
        "--config.env",
        "PATH=/tools:/bin",
        "--config.env",
        "MODE=image",
        "--config.workingdir",
        "/srv/app",
    ];
    house.import("configured:1", fill, &config);
    let session = house.session("configured:1").await;
    let shown = output(&session, "pwd; echo $MODE; tool; echo $USER").await;
    assert_eq!(shown, "/srv/app\nimage\nfound\nsandbox\n");
    let result = session
        .run_command("echo $MODE")
        .env("MODE", "request")
        .await
        .unwrap();
    assert_eq!(result.stdout(), "request\n");
    // Files are relative to the workspace, wherever commands start.
    session.upload_file("file", "x").await.unwrap();
    assert_eq!(output(&session, "cat /workspace/file").await, "x");
    session.delete().await.unwrap();
}

async fn what_an_image_says_of_users_and_programs_changes_nothing(house: Arc<House>) {
    let config = [
        "--config.user",
        "root",
        "--config.entrypoint",
        "/bin/false",
        "--config.cmd",
        "x",
        "--config.volume",
        "/data",
    ];
    house.import("said:1", images::busybox, &config);
    let session = house.session("said:1").await;
    assert_eq!(output(&session, "id -u").await, "1000\n");
    session.delete().await.unwrap();
}

async fn a_missing_interpreter_is_named_with_what_there_is(house: Arc<House>) {
    house.import("shell:1", images::busybox, &[]);
    let session = house.session("shell:1").await;
    let result = session
        .run_code("1")
        .language(Language::JavaScript)
        .await
        .unwrap();
    assert_eq!(result.exit_code(), Some(127));
    assert_eq!(
        result.stderr(),
        "node is not installed in this image, which has sh\n"
    );
    session.delete().await.unwrap();
}

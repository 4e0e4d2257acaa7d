//! Programs whose input and output are streamed.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use sandbox_sessions::ErrorKind;
use sandbox_sessions::ssh::{ExecEvent, Exit, Signal, SshOutput, TerminalSize};
use tokio::time::timeout;

use crate::house::{House, trials};

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "processes":
        much_goes_both_ways_at_once,
        an_unread_program_holds_back_nobody_else,
        a_program_need_not_read_its_input,
        a_signal_arrives,
        a_shell_has_a_terminal_that_can_be_resized,
        a_dropped_program_is_killed,
        a_deleted_session_is_noticed_at_once,
    ]
}

/// Far less than keepalives and time-outs take.
const PROMPTLY: Duration = Duration::from_secs(20);

/// All that it writes to standard output, and how it ends.
async fn to_the_end(mut output: SshOutput) -> (Vec<u8>, Exit) {
    let (mut stdout, mut exit) = (Vec::new(), None);
    while let Some(event) = output.next().await.unwrap() {
        match event {
            ExecEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            ExecEvent::Exit(how) => exit = Some(how),
            // The shell's remarks.
            _ => {}
        }
    }
    (stdout, exit.expect("how it ended"))
}

async fn much_goes_both_ways_at_once(house: Arc<House>) {
    const SIZE: usize = 64 << 20;
    let (session, ssh) = house.ssh().await;
    let process = ssh.exec("cat").await.unwrap();
    let byte = |at: usize| (at ^ (at >> 8) ^ (at >> 16)) as u8;
    let input = process.input;
    let writing = tokio::spawn(async move {
        for at in (0..SIZE).step_by(1 << 16) {
            input
                .write((at..at + (1 << 16)).map(byte).collect::<Vec<u8>>())
                .await
                .unwrap();
        }
        input.finish().await.unwrap();
    });
    let (stdout, exit) = to_the_end(process.output).await;
    assert_eq!((stdout.len(), exit), (SIZE, Exit::Code(0)));
    assert!(stdout.iter().enumerate().all(|(at, found)| *found == byte(at)));
    writing.await.unwrap();
    session.delete().await.unwrap();
}

async fn an_unread_program_holds_back_nobody_else(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let unread = ssh.exec("cat /dev/zero").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..20 {
        assert!(ssh.run_command("true").await.unwrap().is_success());
    }
    drop(unread);
    session.delete().await.unwrap();
}

async fn a_program_need_not_read_its_input(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let process = ssh.exec("sleep 2; echo awake").await.unwrap();
    let input = process.input;
    let writing = tokio::spawn(async move {
        for _ in 0..100 {
            if input.write(vec![7; 1 << 20]).await.is_err() {
                return;
            }
        }
    });
    let (stdout, exit) = to_the_end(process.output).await;
    assert_eq!((&*stdout, exit), (&b"awake\n"[..], Exit::Code(0)));
    writing.await.unwrap();
    session.delete().await.unwrap();
}

async fn a_signal_arrives(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let mut process = ssh
        .exec("trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done")
        .await
        .unwrap();
    assert_eq!(
        process.output.next().await.unwrap(),
        Some(ExecEvent::Stdout("ready\n".into()))
    );
    process.input.signal(Signal::Terminate).await.unwrap();
    assert_eq!(
        to_the_end(process.output).await,
        (b"caught\n".to_vec(), Exit::Code(5))
    );
    session.delete().await.unwrap();
}

async fn a_shell_has_a_terminal_that_can_be_resized(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let size = TerminalSize {
        columns: 90,
        rows: 30,
    };
    let process = ssh
        .shell()
        .terminal("xterm", size)
        .env("MARK", "here")
        .await
        .unwrap();
    let (input, output) = (process.input, process.output);
    input
        .write("test -t 0 && echo is''terminal $TERM $MARK; stty size\n")
        .await
        .unwrap();
    let bigger = TerminalSize {
        columns: 100,
        rows: 40,
    };
    input.resize(bigger).await.unwrap();
    input.write("stty size; exit 4\n").await.unwrap();
    let (stdout, exit) = to_the_end(output).await;
    let text = String::from_utf8_lossy(&stdout);
    assert!(text.contains("isterminal xterm here"), "{text}");
    assert!(text.contains("40 100"), "{text}");
    assert_eq!(exit, Exit::Code(4), "{text}");
    session.delete().await.unwrap();
}

async fn a_dropped_program_is_killed(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let mut process = ssh.exec("echo $$; exec sleep 1000").await.unwrap();
    let Some(ExecEvent::Stdout(pid)) = process.output.next().await.unwrap() else {
        panic!("it says nothing");
    };
    let pid = String::from_utf8_lossy(&pid).trim().to_owned();
    drop(process);
    while ssh
        .run_command(format!("kill -0 {pid}"))
        .await
        .unwrap()
        .is_success()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    session.delete().await.unwrap();
}

async fn a_deleted_session_is_noticed_at_once(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    let mut streaming = ssh.exec("cat /dev/zero").await.unwrap().output;
    let stuck = ssh.exec("sleep 1000").await.unwrap();
    let writing = tokio::spawn(async move { while stuck.input.write(vec![7; 1 << 20]).await.is_ok() {} });
    let mut quiet = ssh.exec("sleep 1000").await.unwrap().output;
    let directory = tempfile::tempdir().unwrap();
    let endless = directory.path().join("large");
    std::fs::File::create(&endless)
        .unwrap()
        .set_len(100 << 30)
        .unwrap();
    let uploading = tokio::spawn({
        let ssh = ssh.clone();
        async move { ssh.upload(endless, "/workspace/large").await }
    });
    assert!(streaming.next().await.unwrap().is_some());
    session.delete().await.unwrap();
    let ends = async {
        let error = loop {
            if let Err(error) = streaming.next().await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert_eq!(quiet.next().await.unwrap_err().kind(), ErrorKind::Connection);
        writing.await.unwrap();
        let error = uploading.await.unwrap().unwrap_err();
        // The disk may have been full by then.
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Connection | ErrorKind::Operation | ErrorKind::SessionNotFound
            ),
            "{error:?}"
        );
    };
    timeout(PROMPTLY, ends).await.expect("it ends promptly");
}

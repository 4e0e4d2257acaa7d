//! Programs whose input and output are streamed.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ssh::{ExecEvent, Exit, Signal, SshOutput, TerminalSize};

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "processes":
        an_unread_program_holds_back_nobody_else,
        a_signal_arrives,
        a_shell_has_a_terminal_that_can_be_resized,
        a_dropped_program_is_killed,
    ]
}

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

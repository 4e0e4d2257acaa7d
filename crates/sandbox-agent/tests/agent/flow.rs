//! Much data, in both directions, and peers that do not read it.

use libtest_mimic::Trial;
use sandbox_tunnel::{ExecEvent, ExecRequest, Exit};

use crate::harness::{TestAgent, noise, run, stdout, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("full_duplex_bulk_arrives_identical", full_duplex),
        trial(
            "an_unread_command_does_not_stop_others_on_its_connection",
            unread_input,
        ),
        trial("a_command_that_reads_nothing_ends_in_its_own_time", never_reads),
        trial("an_unread_output_holds_back_its_writer_only", unread_output),
    ]
}

/// Writes and reads at once on a streaming command.
async fn full_duplex() {
    let agent = TestAgent::start();
    let input = noise(64 << 20);
    let mut exec = agent
        .user()
        .await
        .exec(ExecRequest::command("cat"))
        .await
        .unwrap();
    let (to_command, bytes) = (exec.input.clone(), input.clone());
    let writing = tokio::spawn(async move {
        to_command.write(bytes).await.unwrap();
        to_command.finish().await.unwrap();
    });
    let mut output = Vec::with_capacity(input.len());
    loop {
        match exec.output.next().await {
            Some(ExecEvent::Stdout(bytes)) => output.extend_from_slice(&bytes),
            Some(ExecEvent::Exit(exit)) => assert_eq!(exit, Exit::Code(0)),
            Some(other) => panic!("{other:?}"),
            None => break,
        }
    }
    writing.await.unwrap();
    assert!(
        output == input,
        "{} of {} bytes came back, or others",
        output.len(),
        input.len()
    );
}

/// One command leaves its input unread while others run on the same connection.
async fn unread_input() {
    let agent = TestAgent::start();
    let client = agent.control().await;
    let stalled = client.exec(ExecRequest::command("sleep 600")).await.unwrap();
    let to_stalled = stalled.input.clone();
    let writing = tokio::spawn(async move { to_stalled.write(noise(10 << 20)).await });
    for n in 0..20 {
        assert_eq!(stdout(&client, &format!("echo {n}")).await, format!("{n}\n"));
    }
    let bulk = noise(2 << 20);
    let output = client
        .run(ExecRequest::command("cat").stdin(bulk.clone()))
        .await
        .unwrap();
    assert!(output.stdout == bulk);
    writing.abort();
    drop(stalled);
}

async fn never_reads() {
    let agent = TestAgent::start();
    let request = ExecRequest::command("sleep 2; echo done; exit 4").stdin(vec![0; 100 << 20]);
    let output = agent.user().await.run(request).await.unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert_eq!(output.exit, Exit::Code(4));
}

/// A client that reads nothing for a while holds back the command, and then gets every byte.
async fn unread_output() {
    let agent = TestAgent::start();
    let slow = agent.user().await;
    let mut exec = slow
        .exec(ExecRequest::command(
            "head -c 50000000 /dev/zero; echo all > written",
        ))
        .await
        .unwrap();
    // Another connection is not disturbed, and finds the writer waiting.
    let other = agent.user().await;
    assert_eq!(run(&other, "sleep 1").await.exit, Exit::Code(0));
    assert!(!agent.workspace().join("written").exists(), "50 MB went nowhere");
    let mut count = 0;
    while let Some(event) = exec.output.next().await {
        match event {
            ExecEvent::Stdout(bytes) => count += bytes.len(),
            ExecEvent::Exit(exit) => assert_eq!(exit, Exit::Code(0)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(count, 50_000_000);
}

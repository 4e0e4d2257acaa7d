//! Much data, many channels, and whoever does not take what is sent.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::trials;
use libtest_mimic::Trial;
use sandbox_sessions::ssh::{ExecEvent, Exit};
use sandbox_tunnel::{Exec, ExecRequest, SshClient};

use crate::house::{House, connect};
use crate::noise::Noise;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "bulk":
        much_goes_both_ways_at_once,
        a_program_need_not_read_its_input,
        one_channel_unread_leaves_the_others_alone,
        two_hundred_programs_run_at_once_on_one_connection,
    ]
}

async fn much_goes_both_ways_at_once(house: Arc<House>) {
    const SIZE: u64 = 256 << 20;
    let (session, ssh) = house.ssh().await;
    assert!(ssh.run_command("true").await.unwrap().is_success());
    let agent = house.agent(&session);
    let process = ssh.exec("cat").await.unwrap();
    let (input, mut output, noise) = (process.input, process.output, Noise::new());
    let pieces = noise.pieces(SIZE);
    let writing = tokio::spawn(async move {
        for piece in pieces {
            input.write(piece).await.unwrap();
        }
        input.finish().await.unwrap();
    });
    let (mut expected, mut exit) = (noise.expect(SIZE), None);
    while let Some(event) = output.next().await.unwrap() {
        match event {
            ExecEvent::Stdout(bytes) => expected.take(&bytes),
            ExecEvent::Exit(how) => exit = Some(how),
            other => panic!("{other:?}"),
        }
    }
    expected.end();
    assert_eq!(exit, Some(Exit::Code(0)));
    writing.await.unwrap();
    agent.assert_bounded(&[1]);
    session.delete().await.unwrap();
}

async fn a_program_need_not_read_its_input(house: Arc<House>) {
    let (session, ssh) = house.ssh().await;
    assert!(ssh.run_command("true").await.unwrap().is_success());
    let agent = house.agent(&session);
    let process = ssh.exec("sleep 2; echo awake").await.unwrap();
    let input = process.input;
    let writing = tokio::spawn(async move {
        for _ in 0..100 {
            if input.write(vec![7; 1 << 20]).await.is_err() {
                return;
            }
        }
        panic!("100 MiB were taken, by nobody");
    });
    let (mut said, mut output) = (Vec::new(), process.output);
    while let Some(event) = output.next().await.unwrap() {
        said.push(event);
    }
    let expected = [
        ExecEvent::Stdout("awake\n".into()),
        ExecEvent::Exit(Exit::Code(0)),
    ];
    assert_eq!(said, expected);
    writing.await.unwrap();
    agent.assert_bounded(&[1]);
    session.delete().await.unwrap();
}

/// Of one connection, at either end: neither what nobody reads here nor what nobody reads there.
async fn one_channel_unread_leaves_the_others_alone(house: Arc<House>) {
    const SIZE: u64 = 32 << 20;
    let session = house.session().await;
    let client = connect(&session).await;
    assert_eq!(said(&client, "echo hello").await, "hello\n");
    let agent = house.agent(&session);
    let unread = client.exec(ExecRequest::command("cat /dev/zero")).await.unwrap();
    let unread_there = client.exec(ExecRequest::command("sleep 1000")).await.unwrap();
    // Less than makes the agent read the whole connection slowly, and more than any buffer between holds.
    for _ in 0..128 {
        unread_there.input.write(vec![7; 1 << 16]).await.unwrap();
    }
    // All of the buffers between are full then.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for n in 0..20 {
        assert_eq!(said(&client, &format!("echo {n}")).await, format!("{n}\n"));
    }
    let noise = Noise::new();
    let much = client.exec(ExecRequest::command("cat")).await.unwrap();
    let pieces = noise.pieces(SIZE);
    let input = much.input;
    let writing = tokio::spawn(async move {
        for piece in pieces {
            input.write(piece).await.unwrap();
        }
        input.finish().await.unwrap();
    });
    let (mut expected, mut output) = (noise.expect(SIZE), much.output);
    while let Some(event) = output.next().await {
        if let ExecEvent::Stdout(bytes) = event {
            expected.take(&bytes);
        }
    }
    expected.end();
    writing.await.unwrap();
    // What was not read is not lost, and goes on when it is.
    let Exec { input, mut output } = unread;
    for _ in 0..1000 {
        assert!(
            matches!(output.next().await, Some(ExecEvent::Stdout(zeroes)) if zeroes.iter().all(|byte| *byte == 0))
        );
    }
    drop((input, output));
    assert_eq!(said(&client, "echo still").await, "still\n");
    agent.assert_bounded(&[4]);
    drop(unread_there);
    session.delete().await.unwrap();
}

async fn two_hundred_programs_run_at_once_on_one_connection(house: Arc<House>) {
    const PROGRAMS: usize = 200;
    let session = house.session().await;
    let client = connect(&session).await;
    assert_eq!(said(&client, "echo hello").await, "hello\n");
    let agent = house.agent(&session);
    let mut running = Vec::new();
    for n in 0..PROGRAMS {
        let client = client.clone();
        running.push(tokio::spawn(async move {
            let request = ExecRequest::command(format!("echo {n}; read -r line; echo $line"));
            client.exec(request).await.unwrap()
        }));
    }
    let mut programs = Vec::new();
    for (n, running) in running.into_iter().enumerate() {
        let mut program = running.await.unwrap();
        assert_eq!(
            program.output.next().await,
            Some(ExecEvent::Stdout(format!("{n}\n").into()))
        );
        programs.push(program);
    }
    // Now each of them waits.
    for (n, program) in programs.iter().enumerate() {
        program.input.write(format!("line {n}\n")).await.unwrap();
    }
    for (n, mut program) in programs.into_iter().enumerate() {
        let line = ExecEvent::Stdout(format!("line {n}\n").into());
        assert_eq!(program.output.next().await, Some(line));
        assert_eq!(program.output.next().await, Some(ExecEvent::Exit(Exit::Code(0))));
    }
    agent.assert_bounded(&[PROGRAMS]);
    session.delete().await.unwrap();
}

async fn said(client: &SshClient, command: &str) -> String {
    let output = client
        .run(ExecRequest::command(command.to_owned()))
        .await
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

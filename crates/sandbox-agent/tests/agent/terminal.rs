//! Commands on a terminal.

use std::time::Duration;

use libtest_mimic::Trial;
use sandbox_tunnel::{Auth, Exec, ExecEvent, ExecRequest, Exit, Signal, TerminalSize};

use crate::harness::{TestAgent, eventually, is_alive, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_shell_on_a_terminal_echoes_resizes_and_ends", shell),
        trial("control_characters_become_signals", control_characters),
        trial("the_end_of_input_ends_a_reader_of_lines", end_of_input),
        trial("an_input_that_ends_at_once_ends_a_reader", end_at_once),
        trial("a_slow_reader_gets_the_last_output_of_a_terminal", slow_reader),
        trial("background_processes_do_not_hold_a_terminal_open", background),
    ]
}

const SIZE: TerminalSize = TerminalSize {
    columns: 100,
    rows: 30,
};

/// Reads until the text has appeared.
async fn until(exec: &mut Exec, seen: &mut String, text: &str) {
    while !seen.contains(text) {
        match exec.output.next().await {
            Some(ExecEvent::Stdout(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            other => panic!("{other:?} before {text:?} in {seen:?}"),
        }
    }
}

/// Reads to the end, and gives how it came.
async fn end(exec: &mut Exec) -> Exit {
    let mut exit = None;
    while let Some(event) = exec.output.next().await {
        if let ExecEvent::Exit(how) = event {
            exit = Some(how);
        }
    }
    exit.unwrap()
}

async fn shell() {
    let agent = TestAgent::start();
    let mut exec = agent
        .user()
        .await
        .exec(ExecRequest::shell().terminal("xterm", SIZE))
        .await
        .unwrap();
    let mut seen = String::new();
    exec.input.write("stty size; echo term=$TERM\n").await.unwrap();
    until(&mut exec, &mut seen, "30 100").await;
    until(&mut exec, &mut seen, "term=xterm").await;
    exec.input
        .resize(TerminalSize {
            columns: 132,
            rows: 43,
        })
        .await
        .unwrap();
    exec.input.write("stty size\n").await.unwrap();
    until(&mut exec, &mut seen, "43 132").await;
    exec.input.write("exit 9\n").await.unwrap();
    assert_eq!(end(&mut exec).await, Exit::Code(9));
}

async fn control_characters() {
    let agent = TestAgent::start();
    let request = ExecRequest::command("echo ready; cat").terminal("xterm", SIZE);
    let mut exec = agent.user().await.exec(request).await.unwrap();
    until(&mut exec, &mut String::new(), "ready").await;
    exec.input.write("\x03").await.unwrap();
    let exit = end(&mut exec).await;
    let interrupted = matches!(&exit, Exit::Signal { name, .. } if name == "INT") || exit == Exit::Code(130);
    assert!(interrupted, "{exit:?}");
}

async fn end_of_input() {
    let agent = TestAgent::start();
    let request = ExecRequest::command("echo ready; cat; echo read all").terminal("xterm", SIZE);
    let mut exec = agent.user().await.exec(request).await.unwrap();
    let mut seen = String::new();
    until(&mut exec, &mut seen, "ready").await;
    exec.input.write("line\n").await.unwrap();
    exec.input.finish().await.unwrap();
    until(&mut exec, &mut seen, "read all").await;
    assert_eq!(end(&mut exec).await, Exit::Code(0));
}

/// Before anything has been written to the terminal, or the program has begun.
async fn end_at_once() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    for _ in 0..20 {
        let mut exec = client
            .exec(ExecRequest::command("cat").terminal("xterm", SIZE))
            .await
            .unwrap();
        exec.input.finish().await.unwrap();
        assert_eq!(end(&mut exec).await, Exit::Code(0));
    }
}

/// Somebody reads so slowly that the program has long ended when its last output finds room.
async fn slow_reader() {
    let agent = TestAgent::start();
    let mut config = agent.config(Auth::None);
    config.window_size = 4096;
    let client = agent.connect_with(&config).await.unwrap();
    let command = "stty -opost; head -c 450000 /dev/zero | tr '\\0' x; printf END; : > ended";
    let request = ExecRequest::command(command).terminal("xterm", SIZE);
    let mut exec = client.exec(request).await.unwrap();
    let mut output = Vec::new();
    let mut exit = None;
    // Our own library takes some hundred pieces before it stops reading: let it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut pieces_after_end = 0;
    while let Some(event) = exec.output.next().await {
        match event {
            ExecEvent::Stdout(bytes) => output.extend_from_slice(&bytes),
            ExecEvent::Exit(how) => exit = Some(how),
            other => panic!("{other:?}"),
        }
        pieces_after_end += u32::from(agent.workspace().join("ended").exists());
        if pieces_after_end < 10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(exit, Some(Exit::Code(0)));
    assert_eq!(output.len(), 450_003);
    assert!(output.ends_with(b"xEND"));
}

async fn background() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    let request = ExecRequest::command("trap '' HUP; sleep 600 & echo pid=$!=").terminal("xterm", SIZE);
    let mut exec = client.exec(request).await.unwrap();
    let mut seen = String::new();
    until(&mut exec, &mut seen, "=\r\n").await;
    assert_eq!(end(&mut exec).await, Exit::Code(0));
    let pid = seen.split('=').nth(1).unwrap().to_owned();
    assert!(is_alive(&pid));
    client
        .run(ExecRequest::command(format!("kill {pid}")))
        .await
        .unwrap();
    eventually("it is gone", || !is_alive(&pid)).await;
    // Signals to what has ended are no error.
    let _ = exec.input.signal(Signal::Terminate).await;
}

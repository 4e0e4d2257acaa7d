//! Running commands.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use sandbox_agent::{AgentLimits, LINGER_VARIABLE, TIMEOUT_VARIABLE};
use sandbox_tunnel::{ErrorKind, ExecEvent, ExecRequest, Exit, Phase, Signal};

use crate::harness::{TestAgent, eventually, is_alive, line_of, noise, run, stdout, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("outputs_and_exit_code_arrive_apart", outputs),
        trial("standard_input_reaches_the_command", standard_input),
        trial("commands_are_bytes", bytes),
        trial("the_environment_is_that_of_a_login", environment),
        trial("requested_variables_are_set_and_bad_ones_refused", variables),
        trial("the_end_by_a_signal_is_reported", killed),
        trial("signals_reach_the_process_group", signals),
        trial("output_beyond_the_limit_is_marked", limits),
        trial("a_timeout_kills_all_and_keeps_the_output", timeout),
        trial("lingering_output_does_not_delay_the_end", linger),
        trial("without_linger_output_is_awaited", without_linger),
        trial("options_are_refused_to_users", options),
        trial("closing_a_channel_kills_all", closed_channel),
        trial("losing_the_connection_kills_all", lost_connection),
        trial(
            "background_processes_survive_the_end_of_their_command",
            background,
        ),
        trial("many_commands_at_once_share_a_connection", many),
        trial("channels_are_limited", channel_limit),
        trial("a_command_that_cannot_start_never_started", unstartable),
        trial("a_command_sent_with_a_refused_variable_never_started", one_flight),
    ]
}

async fn outputs() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    let output = run(&client, "echo out; echo err >&2; exit 3").await;
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.exit, Exit::Code(3));
    assert!(!output.stdout_truncated && !output.stderr_truncated);
    assert_eq!(run(&client, "nonexistent-command").await.exit, Exit::Code(127));
    assert_eq!(run(&client, "").await.exit, Exit::Code(0));
}

async fn standard_input() {
    let agent = TestAgent::start();
    let input = noise(5 << 20);
    let output = agent
        .user()
        .await
        .run(ExecRequest::command("cat").stdin(input.clone()))
        .await
        .unwrap();
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
    assert_eq!(stdout(&agent.user().await, "cat; echo end").await, "end\n");
}

async fn bytes() {
    let agent = TestAgent::start();
    let output = agent
        .user()
        .await
        .run(ExecRequest::command(&b"printf '\xff\xfe'"[..]))
        .await
        .unwrap();
    assert_eq!(output.stdout, b"\xff\xfe");
}

async fn environment() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    let environment = stdout(&client, "/usr/bin/env").await;
    let lines: Vec<&str> = environment.lines().collect();
    for expected in ["USER=sandbox", "LOGNAME=sandbox", "LANG=C.UTF-8"] {
        assert!(lines.contains(&expected), "{environment}");
    }
    for absolute in ["HOME=/", "SHELL=/"] {
        assert!(
            lines.iter().any(|line| line.starts_with(absolute)),
            "{environment}"
        );
    }
    // There is no terminal whose kind one could name.
    assert!(!environment.contains("TERM="), "{environment}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("PATH=/usr/local/bin:/usr/bin:/bin")),
        "{environment}"
    );
    assert!(!environment.contains("CARGO"), "{environment}");
    let workspace = agent.workspace().canonicalize().unwrap();
    assert_eq!(
        stdout(&client, "pwd -P").await.trim(),
        workspace.to_str().unwrap()
    );
    // Its own session and group, no terminal, and no descriptor but the three (and that of `ls`).
    let ids = "read -r _ _ _ _ group session _ < /proc/$$/stat; echo $(( group == $$ && session == $$ ))";
    assert_eq!(stdout(&client, ids).await, "1\n");
    assert_eq!(stdout(&client, "exec ls /proc/self/fd").await, "0\n1\n2\n3\n");
}

async fn variables() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    let request = ExecRequest::command("echo \"$GREETING|$HOME\"")
        .env("GREETING", "hello\nworld")
        .env("HOME", "/x");
    assert_eq!(client.run(request).await.unwrap().stdout, b"hello\nworld|/x\n");
    for (name, value) in [("A B", "x"), ("1", "x"), ("", "x"), ("A", "\0")] {
        let error = client
            .run(ExecRequest::command("true").env(name, value))
            .await
            .unwrap_err();
        assert_eq!(
            (error.phase(), error.kind()),
            (Phase::Preparation, ErrorKind::Refused),
            "{name:?}"
        );
        assert!(error.never_started());
    }
}

async fn killed() {
    let agent = TestAgent::start();
    for (command, expected) in [
        ("kill -TERM $$", "TERM"),
        ("kill -KILL $$", "KILL"),
        ("kill -SYS $$", "SYS"),
    ] {
        match run(&agent.user().await, command).await.exit {
            Exit::Signal { name, .. } => assert_eq!(name, expected),
            other => panic!("{command}: {other:?}"),
        }
    }
}

async fn signals() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    // Both the shell and what it started have to get it; the shell's trap runs when the sleep is gone.
    let command = "trap 'echo caught; exit 7' INT; echo ready; sleep 600";
    let mut exec = client.exec(ExecRequest::command(command)).await.unwrap();
    assert_eq!(
        exec.output.next().await,
        Some(ExecEvent::Stdout("ready\n".into()))
    );
    exec.input.signal(Signal::Interrupt).await.unwrap();
    assert_eq!(
        exec.output.next().await,
        Some(ExecEvent::Stdout("caught\n".into()))
    );
    assert_eq!(exec.output.next().await, Some(ExecEvent::Exit(Exit::Code(7))));
    assert_eq!(exec.output.next().await, None);
}

async fn limits() {
    let agent = TestAgent::start();
    let request = ExecRequest::command("head -c 10000000 /dev/zero; head -c 10 /dev/zero >&2; exit 5");
    let output = agent
        .user()
        .await
        .run(request.stdout_limit(1000).stderr_limit(10))
        .await
        .unwrap();
    assert_eq!((output.stdout.len(), output.stdout_truncated), (1000, true));
    assert_eq!((output.stderr.len(), output.stderr_truncated), (10, false));
    assert_eq!(output.exit, Exit::Code(5));
}

/// Starts a process that leaves its parent, group and session, and writes its id to a file.
const ESCAPE: &str = "(setsid sh -c 'setsid sh -c \"echo \\$\\$ > escaped; exec sleep 600\" & exit' &);";

async fn timeout() {
    let agent = TestAgent::start();
    let command =
        format!("{ESCAPE} until [ -s escaped ]; do sleep 0.01; done; echo before; sleep 600; echo after");
    let request = ExecRequest::command(command)
        .env(TIMEOUT_VARIABLE, "3000")
        .env(LINGER_VARIABLE, "100");
    let output = agent.control().await.run(request).await.unwrap();
    assert_eq!(output.stdout, b"before\n");
    let expected = Exit::Signal {
        name: "KILL".to_owned(),
        message: "timeout".to_owned(),
    };
    assert_eq!(output.exit, expected);
    let escaped = line_of(agent.workspace().join("escaped")).await;
    eventually("the escaped process is gone", || !is_alive(&escaped)).await;
}

async fn linger() {
    let agent = TestAgent::start();
    let request = ExecRequest::command("sleep 600 & echo $!").env(LINGER_VARIABLE, "100");
    let output = agent.control().await.run(request).await.unwrap();
    assert_eq!(output.exit, Exit::Code(0));
    let pid = String::from_utf8(output.stdout).unwrap();
    assert!(is_alive(&pid), "the background process was ended");
    run(&agent.control().await, &format!("kill {pid}")).await;
}

async fn without_linger() {
    let agent = TestAgent::start();
    let output = run(&agent.user().await, "(sleep 1; echo late) & echo early").await;
    assert_eq!(output.stdout, b"early\nlate\n");
}

async fn options() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    for option in [TIMEOUT_VARIABLE, LINGER_VARIABLE] {
        let error = client
            .run(ExecRequest::command("true").env(option, "1"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    let control = agent.control().await;
    let request = ExecRequest::command("env")
        .env(TIMEOUT_VARIABLE, "60000")
        .env(LINGER_VARIABLE, "10");
    let environment = String::from_utf8(control.run(request).await.unwrap().stdout).unwrap();
    assert!(!environment.contains("SANDBOX_AGENT"), "{environment}");
    let error = control
        .run(ExecRequest::command("true").env(TIMEOUT_VARIABLE, "soon"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

async fn closed_channel() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    let exec = client
        .exec(ExecRequest::command(format!(
            "echo $$ > shell; {ESCAPE} sleep 600"
        )))
        .await
        .unwrap();
    let shell = line_of(agent.workspace().join("shell")).await;
    let escaped = line_of(agent.workspace().join("escaped")).await;
    drop(exec);
    eventually("both are gone", || !is_alive(&shell) && !is_alive(&escaped)).await;
    assert_eq!(stdout(&client, "echo still connected").await, "still connected\n");
}

async fn lost_connection() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    let exec = client
        .exec(ExecRequest::command(format!(
            "echo $$ > shell; {ESCAPE} sleep 600"
        )))
        .await
        .unwrap();
    let shell = line_of(agent.workspace().join("shell")).await;
    let escaped = line_of(agent.workspace().join("escaped")).await;
    client.disconnect().await;
    eventually("both are gone", || !is_alive(&shell) && !is_alive(&escaped)).await;
    drop(exec);
}

async fn background() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    let pid = stdout(&client, "sleep 600 < /dev/null > /dev/null 2>&1 & echo $!").await;
    client.disconnect().await;
    let control = agent.control().await;
    assert!(is_alive(&pid));
    run(&control, &format!("kill {pid}")).await;
    eventually("it is gone", || !is_alive(&pid)).await;
}

async fn many() {
    let agent = TestAgent::start();
    let client = agent.control().await;
    let runs: Vec<_> = (0..200)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { (n, run(&client, &format!("echo {n}; exit {}", n % 7)).await) })
        })
        .collect();
    for run in runs {
        let (n, output) = run.await.unwrap();
        assert_eq!(output.stdout, format!("{n}\n").into_bytes());
        assert_eq!(output.exit, Exit::Code(n % 7));
    }
    assert_eq!(client.channels_opened(), 200);
}

async fn channel_limit() {
    let agent = TestAgent::configured(
        None,
        AgentLimits {
            channels_per_connection: 3,
            ..AgentLimits::default()
        },
    );
    let client = agent.user().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(client.exec(ExecRequest::command("sleep 600")).await.unwrap());
    }
    let error = client.exec(ExecRequest::command("true")).await.unwrap_err();
    assert_eq!(
        (error.phase(), error.kind()),
        (Phase::ChannelOpen, ErrorKind::Refused)
    );
    assert!(error.never_started());
    open.pop();
    for attempt in 0.. {
        match client.run(ExecRequest::command("true")).await {
            Ok(_) => break,
            Err(error) => assert!(attempt < 1000, "{error}"),
        }
    }
    // Commands that have ended take no place.
    for _ in 0..20 {
        assert_eq!(run(&client, "true").await.exit, Exit::Code(0));
    }
}

async fn unstartable() {
    let agent = TestAgent::start();
    let client = agent.user().await;
    std::fs::remove_dir(agent.workspace()).unwrap();
    let start = Instant::now();
    let error = client.run(ExecRequest::command("true")).await.unwrap_err();
    assert_eq!((error.phase(), error.kind()), (Phase::Start, ErrorKind::Refused));
    assert!(error.never_started());
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "it is answered, not waited for"
    );
    std::fs::create_dir(agent.workspace()).unwrap();
    assert_eq!(run(&client, "true").await.exit, Exit::Code(0));
}

async fn one_flight() {
    let agent = TestAgent::start();
    let control = agent.control().await;
    let request = ExecRequest::command("echo $GREETING; touch started").in_one_flight();
    let output = control
        .run(request.clone().env("GREETING", "hello"))
        .await
        .unwrap();
    assert_eq!(output.stdout, b"hello\n");
    std::fs::remove_file(agent.workspace().join("started")).unwrap();
    let error = control
        .run(request.env("GREETING", "hello").env("NO-NAME", "x").env("A", "x"))
        .await
        .unwrap_err();
    assert_eq!((error.phase(), error.kind()), (Phase::Start, ErrorKind::Refused));
    assert!(error.never_started());
    // On the same connection, so that whatever was sent before has been dealt with.
    assert_eq!(run(&control, "ls").await.stdout, b"");
}

//! Code and commands.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use reqwest::Method;
use sandbox_sessions::{CommandStatus, Language};
use serde_json::{Value, json};

use crate::access::NOBODY;
use crate::answer::{Answer, short};
use crate::server::Server;
use crate::trial::{Held, Unsupported, trials};

pub(crate) fn trials(server: &Arc<Server>) -> Vec<Trial> {
    trials![server,
        "executeCommand":
            a_command_says_how_it_ended,
            a_command_has_a_place_a_user_and_an_environment,
            a_command_is_stopped_in_time,
            what_is_no_text_is_replaced,
            bad_commands_are_refused,
            commands_are_json,
            commands_need_a_session;
        "executeCode":
            python_is_the_default,
            bash_is_a_language,
            javascript_is_a_language,
            code_is_stopped_in_time,
            files_outlive_code,
            bad_code_is_refused,
            code_is_json,
            code_needs_a_session;
    ]
}

async fn a_command_says_how_it_ended(server: &Server) -> Held {
    let session = server.session().await;
    let result = session
        .run_command("echo out; echo err >&2; exit 3")
        .await
        .expect("it runs");
    assert_eq!((result.stdout(), result.stderr()), ("out\n", "err\n"));
    assert_eq!(
        (result.exit_code(), result.status()),
        (Some(3), &CommandStatus::Failed)
    );
    let result = session.run_command("true").await.expect("it runs");
    assert_eq!(
        (result.exit_code(), result.status()),
        (Some(0), &CommandStatus::Completed)
    );
    let killed = session.run_command("kill -9 $$").await.expect("it runs");
    assert_eq!(*killed.status(), CommandStatus::Failed);
    Ok(())
}

async fn a_command_has_a_place_a_user_and_an_environment(server: &Server) -> Held {
    let session = server.session().await;
    let run = session
        .run_command("pwd; whoami; echo \"$GREETING\"")
        .env("GREETING", "hello  ü");
    let result = run.await.expect("it runs");
    assert_eq!(result.stdout(), "/workspace\nsandbox\nhello  ü\n");
    Ok(())
}

async fn a_command_is_stopped_in_time(server: &Server) -> Held {
    let session = server.session().await;
    let run = session
        .run_command("echo begun; sleep 100; echo ended")
        .timeout(Duration::from_secs(1));
    let result = run.await.expect("it runs");
    assert_eq!(
        (result.status(), result.stdout()),
        (&CommandStatus::Timeout, "begun\n")
    );
    Ok(())
}

async fn what_is_no_text_is_replaced(server: &Server) -> Held {
    let session = server.session().await;
    let result = session.run_command("printf 'a\\377b'").await.expect("it runs");
    assert_eq!(result.stdout(), "a\u{fffd}b");
    Ok(())
}

async fn bad_commands_are_refused(server: &Server) -> Held {
    let long = "x".repeat((1 << 20) + 1);
    let env = |name: &str, value: Value| json!({"command": "true", "env": {name: value}});
    let bodies = [
        json!({}),
        json!({"command": ""}),
        json!({"command": "a\0"}),
        json!({"command": long}),
        json!({"command": 3}),
        json!({"command": null}),
        json!({"command": "true", "timeout": 0}),
        json!({"command": "true", "timeout": 301}),
        json!({"command": "true", "timeout": "60"}),
        json!({"command": "true", "env": []}),
        env("A", json!(3)),
        env("A", json!("x\0")),
        env("A", json!("x".repeat(16385))),
        env("A-B", json!("x")),
        env("1A", json!("x")),
        env("", json!("x")),
        env("SANDBOX_AGENT_X", json!("x")),
        json!({"command": "true", "unknown": 1}),
        json!([]),
    ];
    refused(server, "commands", &bodies).await
}

async fn bad_code_is_refused(server: &Server) -> Held {
    let long = "x".repeat((1 << 20) + 1);
    let bodies = [
        json!({}),
        json!({"code": ""}),
        json!({"code": "a\0"}),
        json!({"code": long}),
        json!({"code": null}),
        json!({"code": "1", "language": "ruby"}),
        json!({"code": "1", "language": null}),
        json!({"code": "1", "timeout": 0}),
        json!({"code": "1", "timeout": 301}),
        json!({"code": "1", "env": {}}),
        json!([]),
    ];
    refused(server, "code", &bodies).await
}

async fn refused(server: &Server, operation: &str, bodies: &[Value]) -> Held {
    let session = server.session().await;
    let path = format!("/sessions/{}/{operation}", session.id());
    for body in bodies {
        server.post(&path, body).await.assert_status(400, short(body));
    }
    let request = server
        .request(Method::POST, &path)
        .header("content-type", "application/json");
    Answer::to(request.body("{"))
        .await
        .assert_status(400, "what is no JSON");
    Ok(())
}

async fn commands_are_json(server: &Server) -> Held {
    other_media_types_are_refused(server, "commands").await
}

async fn code_is_json(server: &Server) -> Held {
    other_media_types_are_refused(server, "code").await
}

async fn other_media_types_are_refused(server: &Server, operation: &str) -> Held {
    let session = server.session().await;
    let path = format!("/sessions/{}/{operation}", session.id());
    let request = server
        .request(Method::POST, &path)
        .header("content-type", "text/plain");
    Answer::to(request.body("true"))
        .await
        .assert_status(415, "text/plain");
    let large = server
        .request(Method::POST, &path)
        .header("content-type", "application/json");
    let large = Answer::to(large.body(" ".repeat(32 << 20))).await;
    // A server that reads all of it finds that it is no JSON.
    assert!(matches!(large.status, 400 | 413), "{large}");
    Ok(())
}

async fn commands_need_a_session(server: &Server) -> Held {
    let run = server
        .post(&format!("{NOBODY}/commands"), &json!({"command": "true"}))
        .await;
    run.assert_status(404, "a command in no session");
    Ok(())
}

async fn code_needs_a_session(server: &Server) -> Held {
    let run = server
        .post(&format!("{NOBODY}/code"), &json!({"code": "1"}))
        .await;
    run.assert_status(404, "code in no session");
    Ok(())
}

/// Code that prints 42; a session may lack an interpreter.
async fn prints_42(server: &Server, language: Option<Language>, code: &str) -> Held {
    let session = server.session().await;
    let run = session.run_code(code);
    let run = match language {
        Some(language) => run.language(language),
        None => run,
    };
    let result = run.await.expect("it runs");
    if result.exit_code() == Some(127) {
        return Err(Unsupported(result.stderr().trim().to_owned()));
    }
    assert_eq!(
        (result.stdout(), result.exit_code()),
        ("42\n", Some(0)),
        "{}",
        result.stderr()
    );
    Ok(())
}

async fn python_is_the_default(server: &Server) -> Held {
    prints_42(server, None, "print(6 * 7)").await?;
    prints_42(
        server,
        Some(Language::Python),
        "import sys\nsys.stdout.write(f'{6 * 7}\\n')",
    )
    .await
}

async fn bash_is_a_language(server: &Server) -> Held {
    prints_42(server, Some(Language::Bash), "a=(6 7); echo $((a[0] * a[1]))").await
}

async fn javascript_is_a_language(server: &Server) -> Held {
    prints_42(
        server,
        Some(Language::JavaScript),
        "console.log([6, 7].reduce((a, b) => a * b))",
    )
    .await
}

async fn code_is_stopped_in_time(server: &Server) -> Held {
    let session = server.session().await;
    let run = session.run_code("echo begun; sleep 100").language(Language::Bash);
    let result = run.timeout(Duration::from_secs(1)).await.expect("it runs");
    assert_eq!(
        (result.status(), result.stdout()),
        (&CommandStatus::Timeout, "begun\n")
    );
    Ok(())
}

async fn files_outlive_code(server: &Server) -> Held {
    let session = server.session().await;
    let code = |code: &str| session.run_code(code).language(Language::Bash);
    code("x=1; echo kept > file").await.expect("it runs");
    let result = code("cat file; echo \"${x-none}\"").await.expect("it runs");
    assert_eq!(result.stdout(), "kept\nnone\n");
    Ok(())
}

//! Sessions over HTTP: their life, and what runs in them.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::client::{TestServer, answer};
use crate::ssh::eventually;
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>, server: &Arc<TestServer>) -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),+ $(,)?) => {
            vec![$({
                let server = server.clone();
                trial(runtime, concat!("sessions::", stringify!($test)), move || async move { $test(&server).await })
            }),+]
        };
    }
    trials![
        a_session_is_as_it_was_asked_for,
        sessions_are_their_owners_only,
        a_deleted_session_is_gone,
        a_paused_session_runs_nothing,
        code_runs_in_every_language,
        exit_codes_and_signals_are_told,
        output_is_kept_up_to_a_bound,
        a_timeout_keeps_the_output_and_kills_everything,
        long_code_is_kept_alive,
        a_megabyte_of_code_runs,
        commands_have_an_environment,
        what_runs_in_the_background_stays,
        a_client_that_leaves_takes_its_command_along,
        commands_run_side_by_side,
        a_session_that_ends_ends_its_command,
        a_session_that_is_ending_is_not_found,
    ]
}

async fn code(server: &TestServer, session: &str, body: Value) -> Value {
    let answer = server.post(&format!("{session}/code"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn command(server: &TestServer, session: &str, command: &str) -> Value {
    let answer = server
        .post(&format!("{session}/commands"), &json!({ "command": command }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn completed(stdout: &str) -> Value {
    json!({
        "status": "completed", "exitCode": 0, "stdout": stdout, "stderr": "",
        "stdoutTruncated": false, "stderrTruncated": false,
    })
}

async fn a_session_is_as_it_was_asked_for(server: &TestServer) {
    let body =
        json!({"ttl": 60, "image": "python:3.11", "metadata": {"ü": [1, {"a": null}]}, "sshPublicKey": null});
    let created = server.post("/sessions", &body).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let session = created.json();
    assert_eq!(
        (&session["status"], &session["image"]),
        (&json!("running"), &json!("python:3.11"))
    );
    assert_eq!(session["metadata"], body["metadata"]);
    assert!(
        session["sshHostKey"]
            .as_str()
            .is_some_and(|key| key.starts_with("ssh-ed25519 "))
    );
    assert!(session.get("lastActivityAt").is_none(), "{session}");
    let instant = |name: &str| {
        let text = session[name].as_str().expect("a timestamp");
        assert!(
            text.ends_with('Z') && text.len() <= "2026-01-01T00:00:00.000Z".len(),
            "{text}"
        );
        chrono::DateTime::parse_from_rfc3339(text).expect("a timestamp")
    };
    assert_eq!(
        (instant("expiresAt") - instant("createdAt")).num_milliseconds(),
        60_000
    );

    let path = format!("/sessions/{}", session["sessionId"].as_str().expect("an id"));
    assert_eq!(server.get(&path).await.json(), session);
    assert_eq!(command(server, &path, "echo x").await, completed("x\n"));
    let used = server.get(&path).await.json();
    let last = used["lastActivityAt"].as_str().expect("it was used");
    let last = chrono::DateTime::parse_from_rfc3339(last).expect("a timestamp");
    assert!(
        (instant("createdAt")..instant("expiresAt")).contains(&last),
        "{used}"
    );
    server.delete(&path).await;
}

async fn sessions_are_their_owners_only(server: &TestServer) {
    let session = server.session().await;
    let bobs = |method: Method, path: &str| server.as_bob(method, &format!("{session}{path}"));
    let listed = answer(server.as_bob(Method::GET, "/sessions")).await.json();
    assert_eq!(
        listed,
        json!({"sessions": [], "total": 0, "limit": 50, "offset": 0})
    );
    for request in [
        bobs(Method::GET, ""),
        bobs(Method::DELETE, ""),
        bobs(Method::POST, "/pause"),
        bobs(Method::POST, "/resume"),
        bobs(Method::POST, "/code").json(&json!({"code": "1"})),
        bobs(Method::POST, "/commands").json(&json!({"command": "true"})),
        bobs(Method::GET, "/files?filePath=/etc/passwd"),
        bobs(Method::POST, "/files?path=a")
            .header("content-type", "application/octet-stream")
            .body("x"),
    ] {
        answer(request)
            .await
            .assert_error(404, "SESSION_NOT_FOUND", &["there is no session"]);
    }
    let mine = server.get("/sessions?limit=100").await.json();
    let id = session.trim_start_matches("/sessions/");
    assert!(
        mine["sessions"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|listed| listed["sessionId"] == id)
    );
    assert_eq!(server.delete(&session).await.status, 200);
}

async fn a_deleted_session_is_gone(server: &TestServer) {
    let session = server.session().await;
    let deleted = server.delete(&session).await;
    assert_eq!(deleted.status, 200);
    assert!(deleted.json()["message"].is_string());
    server
        .get(&session)
        .await
        .assert_error(404, "SESSION_NOT_FOUND", &[]);
    server
        .delete(&session)
        .await
        .assert_error(404, "SESSION_NOT_FOUND", &[]);
    let run = server
        .post(&format!("{session}/commands"), &json!({"command": "true"}))
        .await;
    run.assert_error(404, "SESSION_NOT_FOUND", &[]);
}

async fn a_paused_session_runs_nothing(server: &TestServer) {
    let session = server.session().await;
    let switch = |to: &str| answer(server.request(Method::POST, &format!("{session}/{to}")));
    let paused = switch("pause").await;
    if paused.status == 501 {
        paused.assert_error(501, "UNSUPPORTED", &["paused"]);
        println!("skipped: sessions cannot be paused here");
        return;
    }
    assert_eq!(
        (paused.status.as_u16(), &paused.json()["status"]),
        (200, &json!("paused"))
    );
    switch("pause")
        .await
        .assert_error(409, "INVALID_STATE", &["paused already"]);
    let run = server
        .post(&format!("{session}/commands"), &json!({"command": "true"}))
        .await;
    run.assert_error(409, "INVALID_STATE", &["paused"]);
    server
        .get(&format!("{session}/files?filePath=a"))
        .await
        .assert_error(409, "INVALID_STATE", &["paused"]);
    assert_eq!(switch("resume").await.json()["status"], "running");
    switch("resume")
        .await
        .assert_error(409, "INVALID_STATE", &["not paused"]);
    assert_eq!(command(server, &session, "echo x").await, completed("x\n"));
    switch("pause").await;
    assert_eq!(server.delete(&session).await.status, 200);
}

async fn code_runs_in_every_language(server: &TestServer) {
    let session = server.session().await;
    let cases = [
        ("python", "print(6 * 7)"),
        ("javascript", "console.log(6 * 7)"),
        ("bash", "echo $((6 * 7))"),
    ];
    for (language, text) in cases {
        let result = code(server, &session, json!({"code": text, "language": language})).await;
        if result["exitCode"] == 127 {
            assert!(
                result["stderr"]
                    .as_str()
                    .is_some_and(|said| said.contains("is not installed")),
                "{result}"
            );
            println!("skipped: {language}: {}", result["stderr"]);
            continue;
        }
        assert_eq!(result, completed("42\n"), "{language}");
    }
    let unicode = code(
        server,
        &session,
        json!({"code": "echo 'π \u{1f980} \u{1}'", "language": "bash"}),
    )
    .await;
    assert_eq!(unicode, completed("π \u{1f980} \u{1}\n"));
    let where_ = "import os, sys; print(os.getcwd(), repr(sys.path[0]), repr(sys.stdin.read()))";
    assert_eq!(
        code(server, &session, json!({"code": where_})).await["stdout"],
        "/workspace '' ''\n"
    );
    server.delete(&session).await;
}

async fn exit_codes_and_signals_are_told(server: &TestServer) {
    let session = server.session().await;
    for (text, exit) in [
        ("exit 3", 3),
        ("kill -SEGV $$", 139),
        ("kill -9 $$", 137),
        ("no-such-program", 127),
    ] {
        let result = code(server, &session, json!({"code": text, "language": "bash"})).await;
        assert_eq!(
            (&result["status"], &result["exitCode"]),
            (&json!("failed"), &json!(exit)),
            "{result}"
        );
    }
    let result = code(server, &session, json!({"code": "1/0"})).await;
    assert!(
        result["stderr"]
            .as_str()
            .is_some_and(|said| said.contains("ZeroDivisionError")),
        "{result}"
    );
    server.delete(&session).await;
}

async fn output_is_kept_up_to_a_bound(server: &TestServer) {
    let session = server.session().await;
    let flood = "head -c 5000000 /dev/zero | tr '\\0' x; head -c 1048576 /dev/zero | tr '\\0' y >&2";
    let result = command(server, &session, flood).await;
    assert_eq!(result["stdout"].as_str().map(str::len), Some(1 << 20));
    assert_eq!(result["stderr"].as_str().map(str::len), Some(1 << 20));
    assert_eq!(
        (&result["stdoutTruncated"], &result["stderrTruncated"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(result["exitCode"], 0);
    let bytes = command(server, &session, "printf 'a\\377b'").await;
    assert_eq!(bytes["stdout"], "a\u{fffd}b");
    server.delete(&session).await;
}

async fn a_timeout_keeps_the_output_and_kills_everything(server: &TestServer) {
    let session = server.session().await;
    let text = "import subprocess, time\nprint('before')\n\
                subprocess.Popen(['setsid', 'sleep', '4242'])\nsubprocess.run(['sleep', '4242'])";
    let started = Instant::now();
    let result = code(server, &session, json!({"code": text, "timeout": 1})).await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(
        (&result["status"], &result["exitCode"]),
        (&json!("timeout"), &Value::Null),
        "{result}"
    );
    assert_eq!(result["stdout"], "before\n");
    let left = || async { command(server, &session, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await };
    eventually("nothing of it is left", || async {
        !left().await["stdout"].to_string().contains("4242")
    })
    .await;
    server.delete(&session).await;
}

async fn long_code_is_kept_alive(server: &TestServer) {
    let session = server.session().await;
    let body = json!({"code": "sleep 11; echo done", "language": "bash"});
    let answer = server.post(&format!("{session}/code"), &body).await;
    assert_eq!(answer.header("transfer-encoding"), "chunked");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.body.starts_with(b" "), "{}", answer.text());
    assert_eq!(answer.header("x-ratelimit-limit"), "6000");
    assert_eq!(answer.json(), completed("done\n"));
    server.delete(&session).await;
}

async fn a_megabyte_of_code_runs(server: &TestServer) {
    let session = server.session().await;
    let padding = "é'\"\\$`".repeat(1 << 20);
    for (language, comment, text) in [("python", "#", "print(6 * 7)"), ("bash", "#", "echo 42")] {
        let whole: String = format!("{text}\n{comment}{padding}")
            .chars()
            .take(1 << 20)
            .collect();
        assert_eq!(
            code(server, &session, json!({"code": whole, "language": language})).await,
            completed("42\n")
        );
    }
    let whole: String = format!("echo 42 #{padding}").chars().take(1 << 20).collect();
    assert_eq!(command(server, &session, &whole).await, completed("42\n"));
    server.delete(&session).await;
}

async fn commands_have_an_environment(server: &TestServer) {
    let session = server.session().await;
    let body = json!({"command": "echo \"$GREETING,$EMPTY,$HOME,$USER\"", "env": {"GREETING": "hällo\n=", "EMPTY": ""}});
    let answer = server.post(&format!("{session}/commands"), &body).await.json();
    assert_eq!(answer["stdout"], "hällo\n=,,/home/sandbox,sandbox\n");
    let all = command(server, &session, "env").await["stdout"].to_string();
    assert!(
        !all.contains("SANDBOX_AGENT") && !all.contains("GREETING"),
        "{all}"
    );
    server.delete(&session).await;
}

async fn what_runs_in_the_background_stays(server: &TestServer) {
    let session = server.session().await;
    let started = Instant::now();
    command(
        server,
        &session,
        "(sleep 1; echo done > /workspace/done; sleep 600) & echo started",
    )
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "the server waited for what runs in the background"
    );
    let done = || async { command(server, &session, "cat done").await["stdout"] == "done\n" };
    eventually("what was left in the background goes on", done).await;
    server.delete(&session).await;
}

async fn a_client_that_leaves_takes_its_command_along(server: &TestServer) {
    let session = server.session().await;
    let body = json!({"command": "touch begun; sleep 4343"});
    let request = server
        .request(Method::POST, &format!("{session}/commands"))
        .json(&body);
    let running = tokio::spawn(request.send());
    eventually("it has begun", || async {
        command(server, &session, "ls").await["stdout"] == "begun\n"
    })
    .await;
    running.abort();
    let left = || async { command(server, &session, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await };
    eventually("nothing of it is left", || async {
        !left().await["stdout"].to_string().contains("4343")
    })
    .await;
    server.delete(&session).await;
}

async fn commands_run_side_by_side(server: &TestServer) {
    let session = server.session().await;
    // Each waits for all the others.
    let barrier = "touch at-$N; while [ $(ls | wc -l) -lt 12 ]; do sleep 0.01; done; echo $N";
    let all = (0..12).map(|n| {
        let body = json!({"command": barrier, "env": {"N": n.to_string()}});
        let session = &session;
        async move { server.post(&format!("{session}/commands"), &body).await.json()["stdout"].clone() }
    });
    let said = futures_util::future::join_all(all.collect::<Vec<_>>()).await;
    assert_eq!(said, (0..12).map(|n| json!(format!("{n}\n"))).collect::<Vec<_>>());
    server.delete(&session).await;
}

async fn a_session_that_ends_ends_its_command(server: &TestServer) {
    let session = server.session().await;
    let path = format!("{session}/commands");
    let body = json!({"command": "touch begun; sleep 600"});
    let running = server.post(&path, &body);
    let ending = async {
        eventually("it has begun", || async {
            command(server, &session, "ls").await["stdout"] == "begun\n"
        })
        .await;
        server.delete(&session).await
    };
    let (result, deleted) = futures_util::future::join(running, ending).await;
    assert_eq!(
        (deleted.status.as_u16(), result.status.as_u16()),
        (200, 200),
        "{}",
        result.text()
    );
    let result = result.json();
    assert_eq!(
        (&result["status"], &result["exitCode"]),
        (&json!("failed"), &Value::Null),
        "{result}"
    );
    assert!(
        result["stderr"]
            .as_str()
            .is_some_and(|said| said.contains("session ended")),
        "{result}"
    );
}

/// Who comes at the moment of the end finds the session, or finds none; not one that cannot be reached.
async fn a_session_that_is_ending_is_not_found(server: &TestServer) {
    for _ in 0..10 {
        let session = server.session().await;
        let path = format!("{session}/commands");
        let body = json!({"command": "true"});
        let asking = || async {
            loop {
                let result = server.post(&path, &body).await;
                match result.status.as_u16() {
                    200 => {}
                    404 => return,
                    _ => panic!("{} {}", result.status, result.text()),
                }
            }
        };
        let all = futures_util::future::join_all((0..8).map(|_| asking()));
        futures_util::future::join(all, server.delete(&session)).await;
    }
}

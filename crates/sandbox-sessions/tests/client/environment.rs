//! The process's own environment, in processes of their own.

use std::process::{Command, Output};

use sandbox_sessions::SessionsClient;

use crate::support::{ID, Scripted, TOKEN, answer, id, session};

/// What the children do: look up a session at the API that the environment names.
#[tokio::test]
#[ignore = "the other tests start it with an environment of its own"]
async fn child() {
    let client = SessionsClient::from_env().unwrap_or_else(|error| panic!("{error}"));
    let session = client
        .get_session(&id())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    println!("found {}", session.id());
}

async fn child_with(variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "environment::child", "--ignored", "--nocapture"]);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command
        .env_remove("SANDBOX_API_URL")
        .env_remove("SANDBOX_API_TOKEN")
        .envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn found(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(&format!("found {ID}"))
}

#[tokio::test]
async fn names_the_api() {
    let api = Scripted::answering(answer("200 OK", "application/json", &session().to_string())).await;
    let output = child_with(&[("SANDBOX_API_URL", &api.url()), ("SANDBOX_API_TOKEN", TOKEN)]).await;
    assert!(found(&output), "{output:?}");

    let output = child_with(&[("SANDBOX_API_URL", &api.url())]).await;
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("SANDBOX_API_TOKEN is not set"),
        "{output:?}"
    );
}

#[tokio::test]
async fn names_proxies_that_are_used_except_for_loopback() {
    let api = Scripted::answering(answer("200 OK", "application/json", &session().to_string())).await;
    let proxy = api.url();
    let output = child_with(&[
        ("SANDBOX_API_URL", "http://sandbox.invalid/v1"),
        ("SANDBOX_API_TOKEN", TOKEN),
        ("http_proxy", &proxy),
    ])
    .await;
    assert!(found(&output), "only the proxy could answer: {output:?}");

    let output = child_with(&[
        ("SANDBOX_API_URL", &api.url()),
        ("SANDBOX_API_TOKEN", TOKEN),
        ("http_proxy", "http://proxy.invalid:3128"),
    ])
    .await;
    assert!(found(&output), "no proxy can answer: {output:?}");
}

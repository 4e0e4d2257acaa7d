//! Creations that are asked for twice.

use std::sync::Arc;

use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::server::Server;
use crate::trial::{Held, Unsupported, trials};

pub(crate) fn trials(server: &Arc<Server>) -> Vec<Trial> {
    trials![server,
        "createSession":
            a_key_makes_one_session,
            a_key_is_for_one_body,
            a_key_of_a_session_that_has_ended_is_refused,
            what_is_no_key_is_refused;
    ]
}

/// No one has used it.
fn fresh_key() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("conformance-{}", now.expect("after 1970").as_nanos())
}

async fn create(server: &Server, key: &str, body: &Value) -> Answer {
    let request = server
        .request(Method::POST, "/sessions")
        .header("idempotency-key", key);
    let answer = Answer::to(request.json(body)).await;
    server.remember(&answer);
    answer
}

/// A session made with the key, if the server honours it.
async fn first(server: &Server, key: &str) -> Result<Answer, Unsupported> {
    let answer = create(server, key, &json!({"ttl": 600})).await;
    answer.assert_status(200, "a create with a key");
    match answer.headers.get("idempotency-key") {
        Some(value) => assert_eq!(value.as_bytes(), key.as_bytes(), "the answer shows another key"),
        None => {
            return Err(Unsupported(
                "the answer does not show that the key was honoured".to_owned(),
            ));
        }
    }
    Ok(answer)
}

async fn a_key_makes_one_session(server: &Server) -> Held {
    let key = fresh_key();
    let first = first(server, &key).await?;
    let again = create(server, &key, &json!({"metadata": null, "ttl": 600})).await;
    again.assert_status(200, "the same create");
    assert_eq!(again.json()["sessionId"], first.json()["sessionId"]);
    Ok(())
}

async fn a_key_is_for_one_body(server: &Server) -> Held {
    let key = fresh_key();
    first(server, &key).await?;
    let other = create(server, &key, &json!({"ttl": 601})).await;
    other.assert_status(409, "another body");
    Ok(())
}

async fn a_key_of_a_session_that_has_ended_is_refused(server: &Server) -> Held {
    let key = fresh_key();
    let first = first(server, &key).await?.json();
    let path = format!("/sessions/{}", first["sessionId"].as_str().expect("an id"));
    server.delete(&path).await.assert_status(200, "a deletion");
    let again = create(server, &key, &json!({"ttl": 600})).await;
    again.assert_status(409, "the key of a session that has ended");
    Ok(())
}

async fn what_is_no_key_is_refused(server: &Server) -> Held {
    for key in ["a b", "", &"x".repeat(256)] {
        create(server, key, &json!({}))
            .await
            .assert_status(400, format!("{key:?}"));
    }
    Ok(())
}

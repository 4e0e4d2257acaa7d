//! Who may ask, and for what.

use std::sync::Arc;

use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::json;

use crate::answer::Answer;
use crate::server::Server;
use crate::trial::{Held, trials};

pub(crate) fn trials(server: &Arc<Server>) -> Vec<Trial> {
    trials![server,
        "healthCheck": health_needs_no_token, a_token_does_no_harm;
        "every operation": a_token_is_required, a_wrong_token_is_none, what_is_not_there_is_told;
    ]
}

/// No path of a session that exists.
pub(crate) const NOBODY: &str = "/sessions/00000000-0000-4000-8000-000000000000";

/// Every operation that needs a token.
fn operations() -> Vec<(Method, String)> {
    let of_session = |method, path: &str| (method, format!("{NOBODY}{path}"));
    vec![
        (Method::POST, "/sessions".to_owned()),
        (Method::GET, "/sessions".to_owned()),
        of_session(Method::GET, ""),
        of_session(Method::DELETE, ""),
        of_session(Method::POST, "/pause"),
        of_session(Method::POST, "/resume"),
        of_session(Method::POST, "/commands"),
        of_session(Method::POST, "/code"),
        of_session(Method::POST, "/files?path=a"),
        of_session(Method::GET, "/files?filePath=a"),
    ]
}

async fn health_needs_no_token(server: &Server) -> Held {
    let health = Answer::to(server.anonymous(Method::GET, "/health")).await;
    health.assert_status(200, "health");
    assert_eq!(health.json()["status"], "healthy", "{health}");
    Ok(())
}

async fn a_token_does_no_harm(server: &Server) -> Held {
    server
        .get("/health")
        .await
        .assert_status(200, "health with a token");
    server.sdk().check_health().await.expect("a healthy server");
    Ok(())
}

async fn a_token_is_required(server: &Server) -> Held {
    for (method, path) in operations() {
        let nobody = Answer::to(server.anonymous(method.clone(), &path)).await;
        nobody.assert_status(401, format!("{method} {path} without a token"));
    }
    Ok(())
}

async fn a_wrong_token_is_none(server: &Server) -> Held {
    for (method, path) in operations() {
        for credentials in ["Bearer not-the-token-0123456789abcdef", "Bearer ", "Basic YTpi"] {
            let wrong = server
                .anonymous(method.clone(), &path)
                .header("authorization", credentials);
            let what = format!("{method} {path} with {credentials:?}");
            Answer::to(wrong).await.assert_status(401, what);
        }
    }
    Ok(())
}

async fn what_is_not_there_is_told(server: &Server) -> Held {
    server.get("/nothing").await.assert_status(404, "an unknown path");
    let deep = server.get(&format!("{NOBODY}/files/and/more")).await;
    deep.assert_status(404, "an unknown path of a session");
    let put = Answer::to(server.request(Method::PUT, "/sessions")).await;
    put.assert_status(405, "an unknown method");
    let of_session = server
        .post(&format!("{NOBODY}/code/"), &json!({"code": "1"}))
        .await;
    assert!((400..500).contains(&of_session.status), "{of_session}");
    Ok(())
}

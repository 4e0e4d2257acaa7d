//! The life of a session.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use reqwest::Method;
use sandbox_sessions::SessionStatus;
use serde_json::{Value, json};

use crate::access::NOBODY;
use crate::answer::{Answer, short};
use crate::server::Server;
use crate::trial::{Held, trials};

pub(crate) fn trials(server: &Arc<Server>) -> Vec<Trial> {
    trials![server,
        "createSession":
            everything_has_a_default,
            what_is_asked_for_is_given,
            the_bounds_themselves_are_accepted,
            bad_values_are_refused,
            bad_metadata_is_refused,
            what_is_no_json_object_is_refused,
            other_media_types_are_refused,
            a_large_body_is_refused;
        "listSessions":
            a_list_has_what_was_created,
            pages_follow_each_other,
            bad_pages_are_refused;
        "getSession": a_session_is_as_it_was_created, what_is_no_session_is_not_found;
        "deleteSession": a_deleted_session_is_gone, what_is_no_session_cannot_be_deleted;
    ]
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBYgf0wsqBpjBDOmYL4BQoVQIgvcFYvOmRjPZ6oVj4Lf alice@example";

async fn everything_has_a_default(server: &Server) -> Held {
    let bare = Answer::to(server.request(Method::POST, "/sessions")).await;
    server.remember(&bare);
    bare.assert_status(200, "a create without a body");
    assert_eq!(bare.json()["status"], "running", "{bare}");
    let empty = server.post("/sessions", &json!({})).await;
    empty.assert_status(200, "a create with {}");
    let session = server.session().await;
    let life = session.expires_at() - session.created_at();
    assert!(
        (life.num_seconds() - 3600).abs() <= 5,
        "a life of {life} and not of an hour"
    );
    Ok(())
}

async fn what_is_asked_for_is_given(server: &Server) -> Held {
    let metadata = json!({"user": "ä", "nested": {"list": [1, null, 2.5]}});
    let asked = json!({"ttl": 600, "metadata": metadata, "sshPublicKey": KEY});
    let created = server.post("/sessions", &asked).await;
    created.assert_status(200, short(&asked));
    assert_eq!(created.json()["metadata"], metadata);
    let nothing = json!({"image": null, "metadata": null, "sshPublicKey": null});
    server
        .post("/sessions", &nothing)
        .await
        .assert_status(200, short(&nothing));
    Ok(())
}

async fn the_bounds_themselves_are_accepted(server: &Server) -> Held {
    for ttl in [60, 28800] {
        let create = server.sdk().create_session().ttl(Duration::from_secs(ttl)).await;
        let session = create.expect("a session");
        let life = session.expires_at() - session.created_at();
        session.delete().await.expect("it is deleted");
        assert!(
            (life.num_seconds() - ttl as i64).abs() <= 5,
            "a life of {life} and not of {ttl} s"
        );
    }
    Ok(())
}

async fn bad_values_are_refused(server: &Server) -> Held {
    for body in [
        json!({"ttl": 59}),
        json!({"ttl": 28801}),
        json!({"ttl": -1}),
        json!({"ttl": 60.5}),
        json!({"ttl": "3600"}),
        json!({"ttl": null}),
        json!({"image": ""}),
        json!({"image": "a".repeat(256)}),
        json!({"image": "a\0b"}),
        json!({"image": 3}),
        json!({"image": "there-is-no-such-image:anywhere"}),
        json!({"sshPublicKey": ""}),
        json!({"sshPublicKey": "not a key"}),
        json!({"sshPublicKey": "a\0"}),
        json!({"sshPublicKey": "a".repeat(16385)}),
        json!({"tll": 60}),
    ] {
        server
            .post("/sessions", &body)
            .await
            .assert_status(400, short(&body));
    }
    Ok(())
}

async fn bad_metadata_is_refused(server: &Server) -> Held {
    let deep = (1..33).fold(json!({}), |inner, _| json!({ "a": inner }));
    for metadata in [
        json!([]),
        json!("text"),
        json!(1),
        deep,
        json!({"a": "x".repeat(16384)}),
    ] {
        let body = json!({ "metadata": metadata });
        server
            .post("/sessions", &body)
            .await
            .assert_status(400, short(&body));
    }
    Ok(())
}

async fn what_is_no_json_object_is_refused(server: &Server) -> Held {
    for body in ["{", "nonsense", "{} {}", "[]", "null", "3", "\"text\""] {
        let request = server
            .request(Method::POST, "/sessions")
            .header("content-type", "application/json");
        let refused = Answer::to(request.body(body)).await;
        server.remember(&refused);
        refused.assert_status(400, body);
    }
    Ok(())
}

async fn other_media_types_are_refused(server: &Server) -> Held {
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
    ] {
        let request = server
            .request(Method::POST, "/sessions")
            .header("content-type", media_type);
        let refused = Answer::to(request.body("{}")).await;
        server.remember(&refused);
        refused.assert_status(415, media_type);
    }
    Ok(())
}

async fn a_large_body_is_refused(server: &Server) -> Held {
    let request = server
        .request(Method::POST, "/sessions")
        .header("content-type", "application/json");
    let body = format!("{{\"metadata\": {{\"a\": \"{}\"}}}}", "x".repeat(32 << 20));
    let refused = Answer::to(request.body(body)).await;
    server.remember(&refused);
    // A server that reads all of it finds that it is too much for metadata.
    assert!(matches!(refused.status, 400 | 413), "{refused}");
    Ok(())
}

async fn a_list_has_what_was_created(server: &Server) -> Held {
    let session = server.session().await;
    let mut found = false;
    for offset in (0..).step_by(100) {
        let page = server
            .sdk()
            .list_sessions()
            .limit(100)
            .offset(offset)
            .await
            .expect("a page");
        assert!(page.sessions().len() as u64 <= page.total().min(100));
        found |= page.sessions().iter().any(|listed| listed.id() == session.id());
        if page.sessions().is_empty() || found {
            break;
        }
    }
    assert!(found, "a new session is not in the list");
    let default = server.get("/sessions").await.json();
    assert_eq!((&default["limit"], &default["offset"]), (&json!(50), &json!(0)));
    Ok(())
}

async fn pages_follow_each_other(server: &Server) -> Held {
    for _ in 0..3 {
        server.session().await;
    }
    let created = |session: &Value| session["createdAt"].as_str().unwrap_or_default().to_owned();
    let mut seen = Vec::new();
    for offset in 0..3 {
        let page = server.get(&format!("/sessions?limit=1&offset={offset}")).await;
        page.assert_status(200, "a page");
        let page = page.json();
        assert_eq!((&page["limit"], &page["offset"]), (&json!(1), &json!(offset)));
        assert!(page["total"].as_u64() >= Some(3), "{page}");
        let sessions = page["sessions"].as_array().expect("sessions");
        assert_eq!(sessions.len(), 1, "{page}");
        seen.push((created(&sessions[0]), sessions[0]["sessionId"].clone()));
    }
    let ids: std::collections::BTreeSet<_> = seen.iter().map(|(_, id)| id.to_string()).collect();
    assert_eq!(ids.len(), 3, "a session is on two pages: {seen:?}");
    let end = server.get("/sessions?limit=100&offset=4294967295").await;
    assert_eq!(end.json()["sessions"], json!([]), "{end}");
    Ok(())
}

async fn bad_pages_are_refused(server: &Server) -> Held {
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=",
        "limit=ten",
        "limit=1.5",
        "limit=99999999999999999999999999",
        "offset=-1",
        "offset=4294967296",
    ] {
        let refused = server.get(&format!("/sessions?{query}")).await;
        refused.assert_status(400, query);
    }
    Ok(())
}

async fn a_session_is_as_it_was_created(server: &Server) -> Held {
    let created = server
        .post("/sessions", &json!({"metadata": {"a": 1}}))
        .await
        .json();
    let id = created["sessionId"].as_str().expect("an id");
    let got = server.get(&format!("/sessions/{id}")).await.json();
    for member in ["sessionId", "status", "createdAt", "expiresAt", "metadata"] {
        assert_eq!(got[member], created[member], "{member}");
    }
    let session = server
        .sdk()
        .get_session(&id.parse().expect("an id"))
        .await
        .expect("the session");
    assert_eq!(*session.status(), SessionStatus::Running);
    Ok(())
}

async fn what_is_no_session_is_not_found(server: &Server) -> Held {
    for path in [
        NOBODY,
        "/sessions/x",
        "/sessions/%00",
        "/sessions/123e4567e89b12d3a456426614174000",
    ] {
        server.get(path).await.assert_status(404, path);
    }
    Ok(())
}

async fn a_deleted_session_is_gone(server: &Server) -> Held {
    let session = server.session().await;
    let path = format!("/sessions/{}", session.id());
    session.delete().await.expect("it is deleted");
    server.get(&path).await.assert_status(404, "a deleted session");
    server.delete(&path).await.assert_status(404, "a second deletion");
    for (path, body) in [
        ("code", json!({"code": "1"})),
        ("commands", json!({"command": "true"})),
    ] {
        let run = server
            .post(&format!("/sessions/{}/{path}", session.id()), &body)
            .await;
        run.assert_status(404, path);
    }
    Ok(())
}

async fn what_is_no_session_cannot_be_deleted(server: &Server) -> Held {
    for path in [NOBODY, "/sessions/x"] {
        server.delete(path).await.assert_status(404, path);
    }
    Ok(())
}

//! Sessions that are deleted on drop, wherever the drop happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use httpmock::Mock;
use sandbox_api_contract::MockServer;
use sandbox_sessions::{ErrorKind, SessionGuard, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use crate::support::{ID, Scripted, TOKEN, answer, client_for, id, session};

/// An API with one session.
struct Api {
    server: MockServer,
}

impl Api {
    fn start() -> Self {
        let server = MockServer::start();
        server.mock(|when, then| {
            when.method("GET").path(format!("/v1/sessions/{ID}"));
            then.status(200).json_body(session());
        });
        Self { server }
    }

    fn deletion(&self, status: u16) -> Mock<'_> {
        self.server.mock(|when, then| {
            when.method("DELETE")
                .path(format!("/v1/sessions/{ID}"))
                .header("authorization", format!("Bearer {TOKEN}"));
            then.status(status);
        })
    }

    fn client(&self) -> SessionsClient {
        client_for(self.server.url("/v1"))
    }

    async fn guard(&self) -> SessionGuard {
        self.client().get_session(&id()).await.unwrap().delete_on_drop()
    }
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_drop_in_a_future_deletes() {
    for runtime in [current_thread(), multi_thread()] {
        let api = Api::start();
        let deletion = api.deletion(204);
        runtime.block_on(async { drop(api.guard().await) });
        deletion.assert();
    }
}

#[test]
fn a_drop_outside_of_runtimes_deletes() {
    let runtime = current_thread();
    let api = Api::start();
    let deletion = api.deletion(200);
    let guard = runtime.block_on(api.guard());
    drop(guard);
    deletion.assert();
}

#[test]
fn a_drop_after_the_end_of_the_runtime_deletes() {
    for runtime in [current_thread(), multi_thread()] {
        let api = Api::start();
        let deletion = api.deletion(204);
        let guard = runtime.block_on(api.guard());
        drop(runtime);
        drop(guard);
        deletion.assert();
    }
}

#[test]
fn a_runtime_that_goes_away_takes_the_sessions_of_its_tasks_with_it() {
    for runtime in [current_thread(), multi_thread()] {
        let api = Api::start();
        let deletion = api.deletion(204);
        let guard = runtime.block_on(api.guard());
        runtime.spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        drop(runtime);
        deletion.assert();
    }
}

#[test]
fn a_panic_deletes() {
    let api = Api::start();
    let deletion = api.deletion(204);
    let runtime = current_thread();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let _guard = api.guard().await;
            panic!("as planned");
        })
    }));
    assert!(panicked.is_err());
    deletion.assert();
}

#[test]
fn a_dropped_future_deletes() {
    let api = Api::start();
    let deletion = api.deletion(204);
    current_thread().block_on(async {
        let work = async {
            let _guard = api.guard().await;
            std::future::pending::<()>().await;
        };
        let _ = tokio::time::timeout(Duration::from_millis(300), work).await;
    });
    deletion.assert();
}

#[tokio::test]
async fn a_guard_is_a_session_and_detaches_into_one() {
    let api = tokio::task::spawn_blocking(Api::start).await.unwrap();
    let mut guard = api.guard().await;
    assert_eq!(guard.id(), id());
    guard.refresh().await.unwrap();
    let session = guard.detach();
    assert_eq!(session.id(), id());
}

#[test]
fn a_detached_session_stays() {
    let api = Api::start();
    let deletion = api.deletion(204);
    let session = current_thread().block_on(async { api.guard().await.detach() });
    drop(session);
    assert_eq!(deletion.calls(), 0);
}

#[test]
fn an_awaited_deletion_is_not_repeated_and_a_session_that_is_gone_is_fine() {
    for status in [200, 204, 404] {
        let api = Api::start();
        let deletion = api.server.mock(|when, then| {
            when.method("DELETE");
            then.status(status)
                .json_body(serde_json::json!({ "error": "SESSION_NOT_FOUND", "message": "gone" }));
        });
        current_thread().block_on(async { api.guard().await.delete().await.unwrap() });
        assert_eq!(deletion.calls(), 1, "{status}");
    }
}

#[test]
fn a_deletion_that_failed_is_tried_once_more_by_the_drop() {
    let api = Api::start();
    let deletion = api.deletion(500);
    let error = current_thread().block_on(async { api.guard().await.delete().await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert_eq!(deletion.calls(), 2);
}

/// Tells of a session and says nothing about deletions.
async fn silent_about_deletions() -> Scripted {
    Scripted::start(|mut stream| async move {
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        if request[..read].starts_with(b"GET") {
            let answer = answer("200 OK", "application/json", &session().to_string());
            stream.write_all(answer.as_bytes()).await.unwrap();
        } else {
            std::future::pending::<()>().await;
        }
    })
    .await
}

#[test]
fn an_api_that_does_not_answer_does_not_hold_up_every_drop() {
    const GUARDS: u32 = 40;
    let runtime = multi_thread();
    let (api, guards) = runtime.block_on(async {
        let api = silent_about_deletions().await;
        let session = api.client().get_session(&id()).await.unwrap();
        let guards: Vec<SessionGuard> = (0..GUARDS).map(|_| session.clone().delete_on_drop()).collect();
        (api, guards)
    });
    let start = Instant::now();
    runtime.block_on(async { drop(guards) });
    let took = start.elapsed();
    // Each would wait for a second by itself.
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(1) * GUARDS / 2,
        "{took:?}"
    );
    drop(api);
}

//! The client without `async`.
#![cfg(test)]

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use httpmock::Mock;
use sandbox_api_contract::MockServer;
use sandbox_sessions::blocking::{Session, SessionsClient};
use sandbox_sessions::{ErrorKind, FileContent, Language, SessionId, SessionStatus};
use serde_json::{Value, json};

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";
const TOKEN: &str = "a-token-for-tests";

fn id() -> SessionId {
    ID.parse().unwrap()
}

fn session() -> Value {
    json!({
        "sessionId": ID,
        "status": "running",
        "createdAt": "2026-01-01T12:00:00.000Z",
        "expiresAt": "2026-01-01T13:00:00.000Z",
    })
}

struct Api(MockServer);

impl Api {
    fn start() -> Self {
        let server = MockServer::start();
        server.mock(|when, then| {
            when.method("GET").path(format!("/v1/sessions/{ID}"));
            then.status(200).json_body(session());
        });
        Self(server)
    }

    fn client(&self) -> SessionsClient {
        SessionsClient::new(self.0.url("/v1"), TOKEN).unwrap()
    }

    fn session(&self) -> Session {
        self.client().get_session(&id()).send().unwrap()
    }

    fn deletion(&self) -> Mock<'_> {
        self.0.mock(|when, then| {
            when.method("DELETE").path(format!("/v1/sessions/{ID}"));
            then.status(204);
        })
    }
}

#[test]
fn everything_is_sent_and_answered() {
    let api = Api::start();
    let creation = api.0.mock(|when, then| {
        when.method("POST")
            .path("/v1/sessions")
            .json_body(json!({ "ttl": 600, "image": "python:3.11" }));
        then.status(200).json_body(session());
    });
    let client = api.client();
    let session = client
        .create_session()
        .ttl(Duration::from_secs(600))
        .image("python:3.11")
        .send()
        .unwrap();
    creation.assert();
    assert_eq!((session.id(), session.status()), (id(), &SessionStatus::Running));

    let code = api.0.mock(|when, then| {
        when.method("POST")
            .path(format!("/v1/sessions/{ID}/code"))
            .json_body(json!({ "code": "echo 42", "language": "bash", "timeout": 5 }));
        then.status(200)
            .json_body(json!({ "status": "completed", "exitCode": 0, "stdout": "42\n", "stderr": "" }));
    });
    let result = session
        .run_code("echo 42")
        .language(Language::Bash)
        .timeout(Duration::from_secs(5))
        .send()
        .unwrap();
    assert_eq!(result.stdout(), "42\n");
    code.assert();

    let deletion = api.deletion();
    session.delete().send().unwrap();
    deletion.assert();
}

#[test]
fn errors_are_the_same() {
    let api = Api::start();
    let client = api.client();
    let error = client
        .create_session()
        .ttl(Duration::from_secs(1))
        .send()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    api.0.mock(|when, then| {
        when.method("POST");
        then.status(409)
            .json_body(json!({ "error": "INVALID_STATE", "message": "it is paused" }));
    });
    let error = client.run_command(&id(), "true").send().unwrap_err();
    assert_eq!(
        (error.kind(), error.error_code()),
        (ErrorKind::Operation, Some("INVALID_STATE"))
    );
}

#[test]
fn files_go_in_and_come_out() {
    let api = Api::start();
    let session = api.session();
    let upload = api.0.mock(|when, then| {
        when.method("POST")
            .query_param("overwrite", "true")
            .body("abcabc");
        then.status(201)
            .json_body(json!({ "path": "/workspace/x", "size": 6, "modifiedAt": "2026-01-01T12:00:00Z" }));
    });
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("abc".into()), Ok("abc".into())]);
    let file = session
        .upload_file("x", FileContent::stream(pieces))
        .overwrite(true)
        .send()
        .unwrap();
    assert_eq!(file.size(), 6);
    upload.assert();

    let content: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
    let served = content.clone();
    api.0.mock(move |when, then| {
        when.method("GET").query_param("filePath", "y");
        then.status(200)
            .header("content-type", "application/octet-stream")
            .body(served);
    });
    let open = || session.download_file("y").send().unwrap();
    assert_eq!(open().length(), Some(200_000));
    let mut read = Vec::new();
    open().read_to_end(&mut read).unwrap();
    assert_eq!(read, content);
    let mut written = Vec::new();
    let mut download = open();
    let mut first = [0; 10];
    download.read_exact(&mut first).unwrap();
    assert_eq!(download.write_to(&mut written).unwrap(), 199_990);
    assert_eq!([first.as_slice(), &written].concat(), content);
    assert_eq!(open().bytes(200_000).unwrap(), content);
    assert_eq!(
        open().bytes(199_999).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn lists_are_pages_and_iterators() {
    let api = Api::start();
    api.0.mock(|when, then| {
        when.method("GET").path("/v1/sessions");
        then.status(200)
            .json_body(json!({ "sessions": [session()], "total": 1, "limit": 10, "offset": 0 }));
    });
    let client = api.client();
    let page = client.list_sessions().limit(10).send().unwrap();
    assert_eq!((page.total(), page.sessions()[0].id()), (1, id()));
    let ids: Vec<SessionId> = client
        .list_sessions()
        .iter()
        .map(|session| session.unwrap().id())
        .collect();
    assert_eq!(ids, [id()]);
    let mut refused = client.list_sessions().limit(0).iter();
    assert_eq!(
        refused.next().unwrap().unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert!(refused.next().is_none());
}

#[test]
fn handles_keep_the_state_they_wait_for() {
    let api = Api::start();
    let mut session = api.session();
    session.refresh().unwrap();
    session.wait_until_running().send().unwrap();
    let error = session
        .wait_until(|session| session.image().is_some())
        .timeout(Duration::from_millis(100))
        .send()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn guards_delete_on_drop_and_in_a_panic_and_not_when_detached() {
    for panics in [false, true] {
        let api = Api::start();
        let deletion = api.deletion();
        let guard = api.session().delete_on_drop();
        assert_eq!(guard.id(), id());
        let _ = catch_unwind(AssertUnwindSafe(move || {
            let _guard = guard;
            assert!(!panics, "as planned");
        }));
        deletion.assert();
    }
    let api = Api::start();
    let deletion = api.deletion();
    drop(api.session().delete_on_drop().detach());
    assert_eq!(deletion.calls(), 0);
    api.session().delete_on_drop().delete().unwrap();
    assert_eq!(deletion.calls(), 1);
}

#[test]
fn many_threads_share_a_client() {
    let api = Api::start();
    let client = api.client();
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                for _ in 0..10 {
                    client.get_session(&id()).send().unwrap();
                }
            });
        }
    });
}

#[test]
fn a_call_in_a_task_is_refused_and_one_in_spawn_blocking_is_not() {
    let api = Api::start();
    let client = api.client();
    for runtime in [
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap(),
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap(),
    ] {
        let in_root = runtime.block_on(async { client.get_session(&id()).send() });
        let shared = client.clone();
        let in_task = runtime.block_on(async {
            tokio::spawn(async move { shared.get_session(&id()).send() })
                .await
                .unwrap()
        });
        for error in [in_root.unwrap_err(), in_task.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains("async task"), "{error}");
        }
        let shared = client.clone();
        let blocking = runtime.spawn_blocking(move || shared.get_session(&id()).send());
        assert_eq!(runtime.block_on(blocking).unwrap().unwrap().id(), id());
    }
}

#[test]
fn a_stream_that_panics_ends_only_its_own_request() {
    let api = Api::start();
    let session = api.session();
    let panicking =
        futures_util::stream::poll_fn(|_| -> std::task::Poll<Option<Result<_, std::io::Error>>> {
            panic!("as planned")
        });
    let error = session
        .upload_file("x", FileContent::stream(panicking))
        .send()
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::Connection),
        "{error:?}"
    );
    assert_eq!(api.session().id(), id());
}

#[test]
fn handles_are_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<SessionsClient>();
    shared::<Session>();
    shared::<sandbox_sessions::blocking::SessionGuard>();
    shared::<sandbox_sessions::blocking::SessionPage>();
}

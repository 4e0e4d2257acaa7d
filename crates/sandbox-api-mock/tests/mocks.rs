//! The mocks answer what the contract's client sends, and nothing else.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail as tests do"
)]

use futures_util::TryStreamExt;
use sandbox_api::{
    Client, Error,
    bounded::{BoundedString, BoundedU32, VisibleAscii},
    hooks::Hooks,
    types,
};
use sandbox_api_contract::MockServer;
use sandbox_api_mock::{MockServerExt, values};
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(7);

fn client(server: &MockServer, base: &str, token: &str) -> Client {
    let hooks = Hooks::bearer(token.parse().unwrap());
    Client::new_with_client(server.url(base).parse().unwrap(), reqwest::Client::new(), hooks)
}

fn path(text: &str) -> BoundedString<1, 4000> {
    text.parse().unwrap()
}

#[tokio::test]
async fn every_operation_can_be_mocked_behind_any_base_path() {
    let server = MockServer::start_async().await;
    let session = values::session(ID);
    server.list_sessions(|_, then| {
        then.ok(&values::session_list(vec![session.clone()]));
    });
    server.create_session(|_, then| {
        then.ok(&session);
    });
    server.get_session(|_, then| {
        then.ok(&session);
    });
    server.delete_session(|_, then| {
        then.ok(&values::message("deleted"));
    });
    server.pause_session(|_, then| {
        then.ok(&session);
    });
    server.resume_session(|_, then| {
        then.ok(&session);
    });
    server.execute_code(|_, then| {
        then.ok(&values::command_result("code"));
    });
    server.execute_command(|_, then| {
        then.ok(&values::command_result("command"));
    });
    server.upload_file(|_, then| {
        then.created(&values::file_info("/workspace/a", 1));
    });
    server.download_file(|_, then| {
        then.ok([0, 159, 146, 150]);
    });
    server.health_check(|_, then| {
        then.ok(&values::health());
    });

    let code = types::ExecuteCodeRequest {
        code: "1".parse().unwrap(),
        language: types::Language::Python,
        timeout: 1.try_into().unwrap(),
    };
    let command = types::ExecuteCommandRequest {
        command: "true".parse().unwrap(),
        env: None,
        timeout: 1.try_into().unwrap(),
    };
    for base in ["", "/v1", "/gateway/sandbox/v1"] {
        let api = client(&server, base, "secret");
        assert_eq!(api.list_sessions(None, None).await.unwrap().total, 1);
        let request = types::CreateSessionRequest::default();
        assert_eq!(*api.create_session(None, &request).await.unwrap(), session);
        assert_eq!(*api.get_session(&ID).await.unwrap(), session);
        assert_eq!(api.delete_session(&ID).await.unwrap().message, "deleted");
        assert_eq!(*api.pause_session(&ID).await.unwrap(), session);
        assert_eq!(*api.resume_session(&ID).await.unwrap(), session);
        assert_eq!(api.execute_code(&ID, &code).await.unwrap().stdout, "code");
        assert_eq!(
            api.execute_command(&ID, &command).await.unwrap().stdout,
            "command"
        );
        assert_eq!(api.upload_file(&ID, None, &path("a"), "x").await.unwrap().size, 1);
        let download = api.download_file(&ID, &path("a")).await.unwrap();
        assert_eq!(download.headers()["content-type"], "application/octet-stream");
        let pieces: Vec<_> = download.into_inner_stream().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), [0, 159, 146, 150]);
        assert_eq!(*api.health_check().await.unwrap(), values::health());
    }
}

#[tokio::test]
async fn a_mock_answers_only_the_request_it_describes() {
    let server = MockServer::start_async().await;
    let body = types::CreateSessionRequest {
        ttl: 60.try_into().unwrap(),
        ..Default::default()
    };
    let key: VisibleAscii<1, 255> = "key-1".parse().unwrap();
    server.create_session(|when, then| {
        when.idempotency_key(&key).bearer_token("secret").body(&body);
        then.ok(&values::session(ID));
    });
    server.get_session(|when, then| {
        when.session_id(&ID);
        then.ok(&values::session(ID));
    });
    server.list_sessions(|when, then| {
        when.limit(&BoundedU32::try_from(10).unwrap()).offset(None);
        then.ok(&values::session_list(Vec::new()));
    });
    server.upload_file(|when, then| {
        when.path(&path("b")).overwrite(true).body([0, 255]);
        then.created(&values::file_info("/workspace/b", 2));
    });

    let api = client(&server, "/v1", "secret");
    assert!(api.create_session(Some(&key), &body).await.is_ok());
    assert!(api.create_session(None, &body).await.is_err());
    assert!(api.create_session(Some(&key), &Default::default()).await.is_err());
    assert!(
        client(&server, "/v1", "other")
            .create_session(Some(&key), &body)
            .await
            .is_err()
    );
    assert!(api.get_session(&ID).await.is_ok());
    assert!(api.get_session(&Uuid::nil()).await.is_err());
    let (ten, eleven) = (10.try_into().unwrap(), 11.try_into().unwrap());
    assert!(api.list_sessions(Some(&ten), None).await.is_ok());
    assert!(api.list_sessions(Some(&eleven), None).await.is_err());
    assert!(api.list_sessions(Some(&ten), Some(1)).await.is_err());
    assert!(
        api.upload_file(&ID, Some(true), &path("b"), vec![0, 255])
            .await
            .is_ok()
    );
    assert!(
        api.upload_file(&ID, Some(true), &path("b"), vec![0, 254])
            .await
            .is_err()
    );
    assert!(
        api.upload_file(&ID, Some(false), &path("b"), vec![0, 255])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn refusals_carry_their_status_body_and_headers() {
    let server = MockServer::start_async().await;
    let refusal = values::error("SESSION_LIMIT_REACHED", "too many sessions");
    server.create_session(|_, then| {
        then.too_many_requests(&refusal)
            .retry_after(12)
            .x_rate_limit_remaining(0)
            .x_request_id("req-1");
    });
    let error = client(&server, "/v1", "secret")
        .create_session(None, &Default::default())
        .await
        .unwrap_err();
    let Error::ErrorResponse(answer) = error else {
        panic!("{error}")
    };
    assert_eq!(answer.status().as_u16(), 429);
    for (name, value) in [
        ("retry-after", "12"),
        ("x-ratelimit-remaining", "0"),
        ("x-request-id", "req-1"),
    ] {
        assert_eq!(answer.headers()[name], value);
    }
    assert_eq!(*answer, refusal);
}

#[test]
fn committed_code_is_what_the_document_gives() {
    let document = include_str!("../../../sandbox-api-spec.yaml");
    let code = sandbox_api_codegen::generate_mock(document).unwrap();
    assert!(
        code == include_str!("../src/generated.rs"),
        "src/generated.rs is stale; run `cargo xtask codegen`"
    );
}

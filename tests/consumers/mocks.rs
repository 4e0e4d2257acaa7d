//! Against this workspace's mocks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use contract_tests::calls::{ATTEMPTS, assert_arrived, call, client, may_be_done_twice, may_be_repeated};
use httpmock::{Mock, MockServer};
use libtest_mimic::Trial;
use sandbox_api_mock::MockServerExt;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::document::{Answer, answers};
use crate::{meaning, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let holding = answers().into_iter();
    let mut trials: Vec<_> = holding
        .map(|answer| trial(format!("mock::{}", answer.name()), || holds(answer)))
        .collect();
    trials.push(trial(
        "mock::what_differs_is_seen".to_owned(),
        what_differs_is_seen,
    ));
    trials
}

/// Were the SDK to make something else of an answer, it would be seen.
async fn what_differs_is_seen() {
    let told = answers()
        .into_iter()
        .find(|answer| answer.status == 429)
        .expect("a 429");
    let server = MockServer::start_async().await;
    mock(&server, &told);
    let error = call(&client(&server.url("/v1")), &told.operation)
        .await
        .expect_err("a refusal");
    meaning::assert_is(&error, &told);
    let is_seen = |other: &Answer| {
        let judged = AssertUnwindSafe(|| meaning::assert_is(&error, other));
        assert!(catch_unwind(judged).is_err(), "{error:?} is taken for {other:?}");
    };
    let changes: [fn(&mut Answer); 5] = [
        |answer| answer.status = 503,
        |answer| answer.body["error"] = "SESSION_LIMIT_REACHED".into(),
        |answer| answer.body["message"] = "something else".into(),
        |answer| answer.body["details"] = json!({ "limit": 1 }),
        |answer| answer.body["requestId"] = "another".into(),
    ];
    for change in changes {
        let mut other = told.clone();
        change(&mut other);
        is_seen(&other);
    }
    for header in 0..told.headers.len() {
        let mut other = told.clone();
        other.headers.remove(header);
        is_seen(&other);
    }
}

async fn holds(mut answer: Answer) {
    // So that what may be repeated is.
    for (_, value) in answer
        .headers
        .iter_mut()
        .filter(|(name, _)| name == "retry-after")
    {
        *value = "0".to_owned();
    }
    let server = MockServer::start_async().await;
    let mock = mock(&server, &answer);
    let client = client(&server.url("/v1"));
    match call(&client, &answer.operation).await {
        Ok(arrived) => {
            assert!(answer.is_success(), "{}: {arrived}", answer.name());
            match answer.operation.as_str() {
                "deleteSession" => {}
                "downloadFile" => {
                    assert_eq!(arrived["bytes"], json!(CONTENT));
                    assert_eq!(arrived["name"], "output.csv");
                }
                _ => assert_arrived(&answer.body, &arrived, &answer.name()),
            }
            mock.assert_calls(1);
        }
        Err(error) => {
            assert!(!answer.is_success(), "{}: {error:?}", answer.name());
            meaning::assert_is(&error, &answer);
            let surely_not_done = answer.status == 429;
            let repeated = error.is_retryable()
                && may_be_repeated(&answer.operation)
                && (surely_not_done || may_be_done_twice(&answer.operation));
            let attempts = if repeated { ATTEMPTS } else { 1 };
            assert_eq!(error.attempts(), attempts, "{}", answer.name());
            mock.assert_calls(attempts as usize);
        }
    }
}

/// What a file holds.
const CONTENT: [u8; 4] = [0, 159, 146, 150];

/// The mock of an operation that gives the answer, in the methods that the mocks have for its statuses.
macro_rules! mock {
    ($server:ident, $answer:ident, $operation:ident: $success:literal $ok:ident($body:expr), $($status:pat => $method:ident $(($code:expr))?),+) => {
        $server.$operation(|_, then| {
            let then = match $answer.status {
                $success => then.$ok($body),
                $($status => then.$method($($code,)? &body($answer)),)+
                other => panic!("the mock of {} has no answer {other}", $answer.operation),
            };
            let told = $answer.headers.iter().filter(|(name, _)| name != "content-length");
            told.fold(then.into_inner(), |then, (name, value)| then.header(name, value));
        })
    };
}

fn mock<'a>(server: &'a MockServer, answer: &Answer) -> Mock<'a> {
    match answer.operation.as_str() {
        "createSession" => mock!(server, answer, create_session: 200 ok(&body(answer)),
            400 => bad_request, 401 => unauthorized, 409 => conflict, 413 => payload_too_large,
            415 => unsupported_media_type, 429 => too_many_requests, 500 => internal_server_error,
            503 => service_unavailable),
        "listSessions" => mock!(server, answer, list_sessions: 200 ok(&body(answer)),
            400 => bad_request, 401 => unauthorized, 429 => too_many_requests, 500 => internal_server_error,
            503 => service_unavailable),
        "getSession" => mock!(server, answer, get_session: 200 ok(&body(answer)),
            401 => unauthorized, 404 => not_found, 429 => too_many_requests, 500 => internal_server_error,
            503 => service_unavailable),
        "deleteSession" => mock!(server, answer, delete_session: 200 ok(&body(answer)),
            401 => unauthorized, 404 => not_found, 429 => too_many_requests, 500 => internal_server_error,
            503 => service_unavailable),
        "pauseSession" => mock!(server, answer, pause_session: 200 ok(&body(answer)),
            401 => unauthorized, 404 => not_found, 409 => conflict, 429 => too_many_requests,
            500 => internal_server_error, 501 => not_implemented, 503 => service_unavailable),
        "resumeSession" => mock!(server, answer, resume_session: 200 ok(&body(answer)),
            401 => unauthorized, 404 => not_found, 409 => conflict, 429 => too_many_requests,
            500 => internal_server_error, 501 => not_implemented, 503 => service_unavailable),
        "executeCommand" => mock!(server, answer, execute_command: 200 ok(&body(answer)),
            400 => bad_request, 401 => unauthorized, 404 => not_found, 409 => conflict, 413 => payload_too_large,
            415 => unsupported_media_type, 429 => too_many_requests, 500 => internal_server_error,
            503 => service_unavailable),
        "executeCode" => mock!(server, answer, execute_code: 200 ok(&body(answer)),
            400 => bad_request, 401 => unauthorized, 404 => not_found, 409 => conflict, 413 => payload_too_large,
            415 => unsupported_media_type, 429 => too_many_requests, 500 => internal_server_error,
            503 => service_unavailable),
        "uploadFile" => mock!(server, answer, upload_file: 201 created(&body(answer)),
            400 => bad_request, 401 => unauthorized, 404 => not_found, 409 => conflict, 413 => payload_too_large,
            415 => unsupported_media_type, 429 => too_many_requests, 500 => internal_server_error,
            503 => service_unavailable),
        "downloadFile" => mock!(server, answer, download_file: 200 ok(CONTENT),
            400 => bad_request, 401 => unauthorized, 404 => not_found, 409 => conflict, 429 => too_many_requests,
            500 => internal_server_error, 503 => service_unavailable),
        "healthCheck" => mock!(server, answer, health_check: 200 ok(&body(answer)),
            400..=499 => client_error(answer.status), 503 => service_unavailable),
        other => panic!("this test does not know the mock of {other}"),
    }
}

/// The answer's body as the type that the mock wants.
fn body<T: DeserializeOwned>(answer: &Answer) -> T {
    serde_json::from_value(answer.body.clone()).unwrap_or_else(|error| panic!("{}: {error}", answer.name()))
}

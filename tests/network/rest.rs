//! Requests through a network that fails.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::fault::{Fault, How, Pieces};
use contract_tests::{FaultProxy, OwnersHouse, suite};
use libtest_mimic::Trial;
use sandbox_sessions::{Error, ErrorKind, RetryPolicy, Session, SessionId, SessionsClient};
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::scripted::{address, answer, say};
use crate::verdict::{Case, Expected, Failure, Outcome, PATIENCE, judge};

/// Bytes of an answer about [`session`] that reach into its body, whose head is shorter and which is longer.
const INTO_THE_BODY: u64 = 2000;

const LOST: Failure = Failure::new(ErrorKind::Connection).retryable();
const OUT_OF_TIME: Failure = Failure::new(ErrorKind::Timeout).retryable();
const MAKES_NO_SENSE: Expected = Failure::new(ErrorKind::Decode).status(200).expected();
const JSON: &str = "Content-Type: application/json\r\n";

/// What becomes of a read.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "reset_before_the_answer",
        fault: || Fault::answer(0, How::Reset),
        expected: LOST.expected(),
    },
    Case {
        name: "reset_in_mid_response",
        fault: || Fault::answer(INTO_THE_BODY, How::Reset),
        expected: LOST.status(200).expected(),
    },
    Case {
        name: "reset_in_mid_request",
        fault: || Fault::request(20, How::Reset),
        expected: LOST.expected(),
    },
    Case {
        name: "close_in_the_head",
        fault: || Fault::answer(20, How::Close),
        expected: LOST.expected(),
    },
    Case {
        name: "close_before_content_length",
        fault: || Fault::answer(INTO_THE_BODY, How::Close),
        expected: LOST.status(200).expected(),
    },
    Case {
        name: "no_response",
        fault: || Fault::answer(0, How::Stall),
        expected: OUT_OF_TIME.expected(),
    },
    Case {
        name: "stalled_response",
        fault: || Fault::answer(INTO_THE_BODY, How::Stall),
        expected: OUT_OF_TIME.status(200).expected(),
    },
    Case {
        name: "half_open_connection",
        fault: || Fault::answer(INTO_THE_BODY, How::Vanish),
        expected: OUT_OF_TIME.status(200).expected(),
    },
    Case {
        name: "truncated_json",
        fault: || Fault::say(answer("200 OK", JSON, "{\"sessionId\": \"550e")),
        expected: MAKES_NO_SENSE,
    },
    Case {
        name: "another_schema",
        fault: || Fault::say(answer("200 OK", JSON, "{\"hello\": [\"world\"]}")),
        expected: MAKES_NO_SENSE,
    },
    Case {
        name: "wrong_content_type",
        fault: || {
            Fault::say(answer(
                "200 OK",
                "Content-Type: text/html\r\n",
                "<html>Hello</html>",
            ))
        },
        expected: MAKES_NO_SENSE,
    },
    Case {
        name: "bad_gateway_with_html",
        fault: || {
            let page = "<html>502 Bad Gateway</html>";
            Fault::say(answer("502 Bad Gateway", "Content-Type: text/html\r\n", page))
        },
        expected: Failure::new(ErrorKind::Operation)
            .status(502)
            .retryable()
            .expected(),
    },
    Case {
        name: "too_many_requests",
        fault: || Fault::say(answer("429 Too Many Requests", "", "")),
        expected: Failure::new(ErrorKind::RateLimited)
            .status(429)
            .retryable()
            .expected(),
    },
    Case {
        name: "too_many_requests_with_retry_after",
        fault: || Fault::say(answer("429 Too Many Requests", "Retry-After: 1\r\n", "")),
        expected: Failure::new(ErrorKind::RateLimited)
            .status(429)
            .retryable()
            .expected(),
    },
    Case {
        name: "no_http",
        fault: || Fault::say("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        expected: LOST.expected(),
    },
    Case {
        name: "endless_headers",
        fault: || {
            Fault::answer(
                0,
                How::SayForEver(b"HTTP/1.1 200 OK\r\n".into(), b"X: y\r\n".repeat(1000)),
            )
        },
        expected: LOST.expected(),
    },
    Case {
        name: "endless_body",
        fault: || {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
            Fault::answer(0, How::SayForEver(head.into(), vec![b' '; 64 << 10]))
        },
        expected: MAKES_NO_SENSE,
    },
    Case {
        name: "byte_by_byte",
        fault: || Fault::none().in_pieces(Pieces::Single(600)),
        expected: Expected::Right,
    },
];

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    let trial = |case: &'static Case| {
        let name = format!("rest::{}", case.name);
        suite::trial(house, house.runtime().handle(), &name, |house| meets(house, case))
    };
    let mut trials: Vec<_> = CASES.iter().map(trial).collect();
    trials.extend(contract_tests::trials![house, "rest":
        a_network_without_the_fault_is_noticed,
        a_client_that_takes_what_comes_is_noticed,
    ]);
    trials
}

/// A session about which there is much to say.
pub(crate) async fn session(client: &SessionsClient) -> Session {
    let note = "x".repeat(4000);
    let metadata = json!({ "note": note });
    client.create_session().metadata(metadata).await.unwrap()
}

pub(crate) async fn read(client: &SessionsClient, id: SessionId) -> Result<String, Error> {
    let session = client.get_session(&id).await?;
    Ok(session.id().to_string())
}

/// The fault is told as what it is; where it makes sense to ask again, that is done, and otherwise it is not; and then
/// all is as it was.
async fn meets(house: Arc<OwnersHouse>, case: &Case) {
    if !case.is_possible() {
        return;
    }
    let owner = house.owner();
    let session = session(&owner.client).await;
    let (id, right) = (session.id(), session.id().to_string());
    let proxy = FaultProxy::before(&house.address()).await;
    let once = owner
        .client_at(proxy.url())
        .timeout(PATIENCE)
        .retries(RetryPolicy::none());
    let once = once.build().unwrap();
    proxy.plan([(case.fault)()]);
    let outcome = Outcome::of(read(&once, id)).await;
    judge(case.expected, &outcome, &right).unwrap();
    assert!(proxy.is_done());
    assert_eq!(
        read(&once, id).await.unwrap(),
        right,
        "the next one on the same client"
    );

    let again = owner.client_at(proxy.url()).timeout(PATIENCE).build().unwrap();
    proxy.plan([(case.fault)()]);
    let before = proxy.requests();
    let repeated = Outcome::of(read(&again, id)).await;
    let (requests, expected) = match case.expected {
        Expected::Fails(failure) if failure.retryable => (2, Expected::Right),
        other => (1, other),
    };
    judge(expected, &repeated, &right).unwrap();
    assert_eq!(proxy.requests() - before, requests);

    let alive: Vec<_> = owner.sessions().await.iter().map(Session::id).collect();
    assert_eq!(alive, [id]);
    session.delete().await.unwrap();
}

/// Each case's judgement depends on its fault: without it, the call succeeds and is found wanting.
async fn a_network_without_the_fault_is_noticed(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = session(&owner.client).await;
    let proxy = FaultProxy::before(&house.address()).await;
    let client = owner.client_at(proxy.url()).build().unwrap();
    for case in CASES.iter().filter(|case| case.expected != Expected::Right) {
        let outcome = Outcome::of(read(&client, session.id())).await;
        let verdict = judge(case.expected, &outcome, &session.id().to_string());
        assert!(verdict.is_err(), "{}", case.name);
    }
    session.delete().await.unwrap();
}

/// A client that knows neither statuses nor lengths nor ends: every case finds it wanting.
async fn a_client_that_takes_what_comes_is_noticed(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = session(&owner.client).await;
    let id = session.id();
    let proxy = FaultProxy::before(&house.address()).await;
    for case in CASES.iter().filter(|case| case.is_possible()) {
        proxy.plan([(case.fault)()]);
        let request = format!(
            "GET /v1/sessions/{id} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {}\r\n\r\n",
            owner.token()
        );
        let mut stream = say(&address(&proxy.url()), &request).await;
        let mut text = vec![0; 1 << 16];
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut text)).await;
        let length = read.unwrap_or(Ok(0)).unwrap_or(0);
        let outcome = Outcome::Value(String::from_utf8_lossy(&text[..length]).into_owned());
        assert!(
            judge(case.expected, &outcome, &id.to_string()).is_err(),
            "{}",
            case.name
        );
    }
    assert!(proxy.is_done());
    session.delete().await.unwrap();
}

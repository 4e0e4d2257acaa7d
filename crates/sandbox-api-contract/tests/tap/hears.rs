//! The exchanges.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sandbox_api_contract::{Place, Side, Tap, Violation};

use crate::script::{LIST, STANDING, TOKEN, answer, answering, request, talk};

const SDK: &str = "sandbox-sessions/0.1.0";
const OTHER: &str = "curl/8";

/// What is found in an exchange.
#[track_caller]
fn found(request: &str, answer: &str) -> Vec<Violation> {
    let tap = Tap::before(&answering(answer)).unwrap();
    assert_eq!(talk(&tap, request, request.len()), answer);
    let violations = tap.verdict();
    for violation in &violations {
        assert!(!violation.to_string().contains(TOKEN), "{violation}");
    }
    violations
}

fn places(violations: &[Violation]) -> Vec<(Side, Place)> {
    let places = violations.iter();
    places
        .map(|violation| (violation.side, violation.place.clone()))
        .collect()
}

fn list() -> String {
    request("GET /v1/sessions", OTHER, "")
}

fn missing_id(length: &str, body: &str) -> String {
    let standing = STANDING.replace("X-Request-Id: 1\r\n", "");
    format!("HTTP/1.1 200 OK\r\n{standing}Content-Type: application/json\r\n{length}\r\n{body}")
}

fn id_is_missing() -> Vec<(Side, Place)> {
    vec![(Side::Response, Place::Header("X-Request-Id".to_owned()))]
}

#[test]
fn what_is_right_is_right() {
    assert_eq!(found(&list(), &answer("200 OK", STANDING, LIST)), []);
    let error = r#"{"error":"X","message":"x"}"#;
    let invalid = request("GET /v1/sessions?limit=0", OTHER, "");
    assert_eq!(found(&invalid, &answer("400 Bad Request", STANDING, error)), []);
    let unknown = request("GET /v1/nothing", OTHER, "");
    assert_eq!(found(&unknown, &answer("404 Not Found", "", error)), []);
}

#[test]
fn answers_are_judged_whatever_ends_them() {
    let chunked: String = LIST
        .as_bytes()
        .chunks(7)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    for (length, body) in [
        (format!("Content-Length: {}\r\n", LIST.len()), LIST.to_owned()),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{chunked}0\r\n\r\n"),
        ),
        (String::new(), LIST.to_owned()),
    ] {
        let found_in = |body: &str| places(&found(&list(), &missing_id(&length, body)));
        assert_eq!(found_in(&body), id_is_missing(), "{length:?}");
        let wrong = body.replace("[]", "{}");
        let places = found_in(&wrong);
        assert!(
            places.contains(&(Side::Response, Place::Body("/sessions".to_owned()))),
            "{places:?}"
        );
    }
}

#[test]
fn each_answer_belongs_to_its_request() {
    let requests = [
        request("GET /v1/sessions", OTHER, ""),
        request("GET /v1/health", OTHER, ""),
        request("HEAD /v1/health", OTHER, ""),
        request("PUT /v1/sessions", OTHER, "{}"),
        request("GET /v1/sessions", OTHER, ""),
    ];
    let health = answer("200 OK", "X-Request-Id: 1\r\n", r#"{"status":"healthy"}"#);
    let head = health.split_inclusive("\r\n\r\n").next().unwrap();
    let answers = [
        answer("200 OK", STANDING, LIST),
        format!("HTTP/1.1 103 Early Hints\r\n\r\n{health}"),
        head.to_owned(),
        answer("405 Method Not Allowed", "", r#"{"error":"X","message":"x"}"#),
        answer("418 I'm a Teapot", STANDING, "{}"),
    ];
    let violations = found(&requests.concat(), &answers.concat());
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "PUT /sessions -> 405: response, header Allow: it is required",
            "GET /sessions -> 418: response, status: the operation does not list it"
        ]
    );
}

#[test]
fn an_answer_may_come_before_the_end_of_the_request() {
    let long = request("POST /v1/sessions", OTHER, &" ".repeat(100_000));
    let too_large = answer("413 Payload Too Large", STANDING, r#"{"error":"X"}"#);
    let tap = Tap::before(&answering(too_large.clone())).unwrap();
    assert_eq!(talk(&tap, &long, 100), too_large);
    let violations = tap.verdict();
    assert_eq!(
        places(&violations),
        [(Side::Response, Place::Body(String::new()))]
    );
}

#[test]
fn a_tunnel_is_not_listened_to() {
    let connect =
        format!("CONNECT /v1/sessions/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let glued = format!("{connect}{}", list());
    let wrong = answer("418 I'm a Teapot", "", "{}");
    let opened = format!("HTTP/1.1 200 Connection Established\r\n\r\n{wrong}");
    assert_eq!(found(&glued, &opened), []);
    let framed = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        places(&found(&connect, framed)),
        [(Side::Response, Place::Header("content-length".to_owned()))]
    );
    let refused = "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(
        places(&found(&connect, refused)),
        [(Side::Response, Place::ContentType)]
    );
}

#[test]
fn what_is_no_http_is_no_exchange() {
    let bare = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    for request in [
        "\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ] {
        assert_eq!(found(request, bare), []);
    }
    let too_large = "HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(found(&list(), too_large), []);
    assert_eq!(
        places(&found(&list(), bare)).len(),
        5,
        "an understood request has a right to an error"
    );
    assert_eq!(found(&list(), "no HTTP at all"), []);
}

#[test]
fn a_broken_answer_is_judged_as_far_as_it_came() {
    let broken = missing_id("Content-Length: 100\r\n", "{");
    let tap = Tap::before(&answering(broken.clone())).unwrap();
    assert_eq!(talk(&tap, &list(), 1000), broken);
    assert_eq!(places(&tap.verdict()), id_is_missing());
    assert_eq!(tap.coverage().uncovered().count(), all());
}

#[test]
fn the_sdk_asks_for_nothing_that_the_document_does_not_know() {
    let error = answer("400 Bad Request", STANDING, r#"{"error":"X","message":"x"}"#);
    let limit = (Side::Request, Place::Query("limit".to_owned()));
    let wrong = request("GET /v1/sessions?limit=0", SDK, "");
    assert_eq!(places(&found(&wrong, &error)), [limit]);
    let unknown = request("GET /v1/sessions?page=0", SDK, "");
    let page = (Side::Request, Place::Query("page".to_owned()));
    assert_eq!(places(&found(&unknown, &error)), [page]);
}

#[test]
fn nobody_is_given_what_the_document_forbids() {
    let wrong = request("GET /v1/sessions?limit=0", OTHER, "");
    let done = answer("200 OK", STANDING, LIST);
    assert_eq!(places(&found(&wrong, &done)), [(Side::Response, Place::Status)]);
    let tolerated = request("GET /v1/sessions?page=0", OTHER, "");
    assert_eq!(found(&tolerated, &done), []);
    let nobody = list().replace("Authorization", "X-Authorization");
    assert_eq!(places(&found(&nobody, &done)), [(Side::Response, Place::Status)]);
}

#[test]
fn before_a_mock_requests_are_judged_and_answers_are_not() {
    let nonsense = answer("200 OK", "", "nonsense");
    let tap = Tap::before_mock(&answering(nonsense)).unwrap();
    talk(&tap, &list(), 1000);
    assert_eq!(tap.verdict(), []);
    talk(&tap, &request("POST /v1/sessions", OTHER, r#"{"ttl":1}"#), 1000);
    assert_eq!(
        places(&tap.verdict()),
        [(Side::Request, Place::Body("/ttl".to_owned()))]
    );
    assert_eq!(tap.coverage().uncovered().count(), all());
}

/// How many responses the document has.
fn all() -> usize {
    let contract = sandbox_api_contract::Contract::sandbox_api().unwrap();
    contract
        .operations()
        .iter()
        .map(|operation| operation.responses().len())
        .sum()
}

#[test]
fn what_was_seen_is_counted() {
    let tap = Tap::before(&answering(answer("200 OK", STANDING, LIST))).unwrap();
    talk(&tap, &list(), 1000);
    talk(&tap, &list(), 1000);
    let coverage = tap.coverage();
    assert_eq!(coverage.uncovered().count(), all() - 1);
    let table = coverage.to_string();
    let row = table
        .lines()
        .find(|line| line.starts_with("listSessions"))
        .unwrap();
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>()[..2],
        ["listSessions", "2"],
        "{table}"
    );
}

#[test]
fn a_finding_cannot_be_passed_over() {
    let wrong = answer("418 I'm a Teapot", STANDING, "{}");
    let tap = Tap::before(&answering(wrong.clone())).unwrap();
    talk(&tap, &list(), 1000);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(tap)));
    let told = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(
        told.contains("GET /sessions -> 418") && !told.contains(TOKEN),
        "{told}"
    );
    let tap = Tap::before(&answering(wrong)).unwrap();
    talk(&tap, &list(), 1000);
    assert_eq!(tap.verdict().len(), 1);
    drop(tap);
}

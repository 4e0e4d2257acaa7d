//! SSH through a network that fails between the request for a tunnel and the first command.

use std::sync::Arc;
use std::time::Duration;

use contract_tests::fault::{Fault, How, Pieces};
use contract_tests::{FaultProxy, OwnersHouse, suite};
use libtest_mimic::Trial;
use sandbox_sessions::ssh::Phase;
use sandbox_sessions::{Error, ErrorKind, RetryPolicy, Session, SessionId, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scripted::{address, answer, connect_request, say};
use crate::verdict::{Case, Expected, Failure, Outcome, PATIENCE, judge};

/// More bytes than an answer to a `CONNECT` and a line of SSH have, and fewer than a key exchange.
const INTO_THE_LOGIN: u64 = 700;

const LOST: Failure = Failure::new(ErrorKind::Connection).retryable();
const OUT_OF_TIME: Expected = Failure::new(ErrorKind::Timeout).retryable().expected();
const NOT_HTTP: Expected = Failure::new(ErrorKind::Connection)
    .during(Phase::HttpConnect)
    .expected();

const fn refused(kind: ErrorKind, status: u16) -> Failure {
    Failure::new(kind).status(status).during(Phase::HttpConnect)
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "reset_before_the_answer",
        fault: || Fault::answer(0, How::Reset),
        expected: LOST.during(Phase::HttpConnect).expected(),
    },
    Case {
        name: "reset_in_mid_response",
        fault: || Fault::answer(20, How::Reset),
        expected: LOST.during(Phase::HttpConnect).expected(),
    },
    Case {
        name: "reset_in_mid_request",
        fault: || Fault::request(20, How::Reset),
        expected: LOST.during(Phase::HttpConnect).expected(),
    },
    Case {
        name: "close_in_the_head",
        fault: || Fault::answer(20, How::Close),
        expected: LOST.during(Phase::HttpConnect).expected(),
    },
    Case {
        name: "reset_in_the_login",
        fault: || Fault::answer(INTO_THE_LOGIN, How::Reset),
        expected: LOST.during(Phase::KeyExchange).expected(),
    },
    Case {
        name: "close_in_the_login",
        fault: || Fault::answer(INTO_THE_LOGIN, How::Close),
        expected: LOST.during(Phase::KeyExchange).expected(),
    },
    Case {
        name: "no_response",
        fault: || Fault::answer(0, How::Stall),
        expected: OUT_OF_TIME,
    },
    Case {
        name: "stalled_response",
        fault: || Fault::answer(20, How::Stall),
        expected: OUT_OF_TIME,
    },
    Case {
        name: "stalled_login",
        fault: || Fault::answer(INTO_THE_LOGIN, How::Stall),
        expected: OUT_OF_TIME,
    },
    Case {
        name: "half_open_connection",
        fault: || Fault::answer(INTO_THE_LOGIN, How::Vanish),
        expected: OUT_OF_TIME,
    },
    Case {
        name: "refusal_close_before_content_length",
        fault: || Fault::say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 500\r\n\r\n{\"error\""),
        expected: refused(ErrorKind::Operation, 503).retryable().expected(),
    },
    Case {
        name: "refusal_of_truncated_json",
        fault: || Fault::say(answer("404 Not Found", "", "{\"error\": \"SESSION_NOT_FO")),
        expected: refused(ErrorKind::Operation, 404).expected(),
    },
    Case {
        name: "refusal_of_another_schema",
        fault: || Fault::say(answer("404 Not Found", "", "{\"detail\": \"Not Found\"}")),
        expected: refused(ErrorKind::Operation, 404).expected(),
    },
    Case {
        name: "not_found",
        fault: || {
            let body = "{\"error\": \"SESSION_NOT_FOUND\", \"message\": \"there is none\"}";
            Fault::say(answer("404 Not Found", "Content-Type: text/html\r\n", body))
        },
        expected: refused(ErrorKind::SessionNotFound, 404).expected(),
    },
    Case {
        name: "proxy_authentication_required",
        fault: || {
            let challenge = "Proxy-Authenticate: Basic realm=\"x\"\r\n";
            Fault::say(answer("407 Proxy Authentication Required", challenge, ""))
        },
        expected: refused(ErrorKind::Operation, 407).expected(),
    },
    Case {
        name: "bad_gateway_with_html",
        fault: || {
            let page = "<html>502 Bad Gateway</html>";
            Fault::say(answer("502 Bad Gateway", "Content-Type: text/html\r\n", page))
        },
        expected: refused(ErrorKind::Operation, 502).retryable().expected(),
    },
    Case {
        name: "too_many_requests",
        fault: || Fault::say(answer("429 Too Many Requests", "", "")),
        expected: refused(ErrorKind::RateLimited, 429).retryable().expected(),
    },
    Case {
        name: "too_many_requests_with_retry_after",
        fault: || Fault::say(answer("429 Too Many Requests", "Retry-After: 1\r\n", "")),
        expected: refused(ErrorKind::RateLimited, 429).retryable().expected(),
    },
    Case {
        name: "success_with_a_body",
        fault: || {
            Fault::say(answer(
                "200 OK",
                "Content-Type: text/html\r\n",
                "<html>Hello</html>",
            ))
        },
        expected: LOST.during(Phase::KeyExchange).expected(),
    },
    Case {
        name: "success_with_an_endless_body",
        fault: || {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n";
            Fault::answer(0, How::SayForEver(head.into(), b"<p>".repeat(10_000)))
        },
        expected: Failure::new(ErrorKind::Connection)
            .during(Phase::KeyExchange)
            .expected(),
    },
    Case {
        name: "no_http",
        fault: || Fault::say("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        expected: NOT_HTTP,
    },
    Case {
        name: "endless_headers",
        fault: || {
            Fault::answer(
                0,
                How::SayForEver(b"HTTP/1.1 200 OK\r\n".into(), b"X: y\r\n".repeat(1000)),
            )
        },
        expected: NOT_HTTP,
    },
    Case {
        name: "banner_glued_to_the_answer",
        fault: || Fault::none().in_pieces(Pieces::Glued),
        expected: Expected::Right,
    },
    Case {
        name: "byte_by_byte",
        fault: || Fault::none().in_pieces(Pieces::Single(600)),
        expected: Expected::Right,
    },
];

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    let trial = |case: &'static Case| {
        let name = format!("tunnel::{}", case.name);
        suite::trial(house, house.runtime().handle(), &name, |house| meets(house, case))
    };
    let mut trials: Vec<_> = CASES.iter().map(trial).collect();
    trials.extend(contract_tests::trials![house, "tunnel":
        a_network_without_the_fault_is_noticed,
        a_client_that_takes_what_comes_is_noticed,
    ]);
    trials
}

/// All there is of SSH: a login, a command of which much is read and written, and files. Each on a connection of its own,
/// of which the first meets what is planned. The result is what the command has written.
pub(crate) async fn run(client: &SessionsClient, id: SessionId, host_key: &str) -> Result<String, Error> {
    let ssh = client
        .ssh(&id)
        .host_key(host_key)
        .connect_timeout(PATIENCE)
        .await?;
    let output = ssh.run_command("wc -c").stdin(vec![b'x'; 1 << 20]).await?;
    let here = tempfile::tempdir().unwrap();
    let (up, down) = (here.path().join("up"), here.path().join("down"));
    std::fs::write(&up, "content").unwrap();
    ssh.upload(up, "there").await?;
    ssh.download("there", &down).await?;
    assert_eq!(std::fs::read(down).unwrap(), b"content");
    Ok(output.stdout().into_owned())
}

pub(crate) const RIGHT: &str = "1048576\n";

async fn meets(house: Arc<OwnersHouse>, case: &Case) {
    if !case.is_possible() {
        return;
    }
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let (id, host_key) = (session.id(), session.ssh_host_key().unwrap());
    session.ssh().await.unwrap().run_command("true").await.unwrap();
    let agent = house.agent(&session);
    let proxy = FaultProxy::before(&house.address()).await;
    let once = owner.client_at(proxy.url()).retries(RetryPolicy::none());
    let once = once.build().unwrap();
    proxy.plan_tunnels([(case.fault)()]);
    let outcome = Outcome::of(run(&once, id, host_key)).await;
    judge(case.expected, &outcome, RIGHT).unwrap();
    assert!(proxy.is_done());
    assert_eq!(
        run(&once, id, host_key).await.unwrap(),
        RIGHT,
        "the next one on the same client"
    );

    let again = owner.client_at(proxy.url()).build().unwrap();
    proxy.plan_tunnels([(case.fault)()]);
    let before = proxy.tunnels();
    let repeated = Outcome::of(run(&again, id, host_key)).await;
    // One for the command, and one for each file.
    let (tunnels, expected) = match case.expected {
        Expected::Fails(failure) if failure.retryable => (1 + 3, Expected::Right),
        Expected::Right => (3, Expected::Right),
        failure => (1, failure),
    };
    judge(expected, &repeated, RIGHT).unwrap();
    assert_eq!(proxy.tunnels() - before, tunnels);

    // Each of the two clients may still have a connection for the command and one for each file.
    agent.assert_bounded(&[2; 6]);
    let alive: Vec<_> = owner.sessions().await.iter().map(Session::id).collect();
    assert_eq!(alive, [id]);
    session.delete().await.unwrap();
}

/// Each case's judgement depends on its fault: without it, the command succeeds and is found wanting.
async fn a_network_without_the_fault_is_noticed(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let host_key = session.ssh_host_key().unwrap();
    let outcome = Outcome::of(run(&owner.client, session.id(), host_key)).await;
    for case in CASES.iter().filter(|case| case.expected != Expected::Right) {
        assert!(judge(case.expected, &outcome, RIGHT).is_err(), "{}", case.name);
    }
    session.delete().await.unwrap();
}

/// A client that takes the first bytes for the answer, forgets what came with them, and the next ones for its tunnel's:
/// every case finds it wanting.
async fn a_client_that_takes_what_comes_is_noticed(house: Arc<OwnersHouse>) {
    let owner = house.owner();
    let session = owner.client.create_session().await.unwrap();
    let proxy = FaultProxy::before(&house.address()).await;
    for case in CASES.iter().filter(|case| case.is_possible()) {
        proxy.plan_tunnels([(case.fault)()]);
        let request = connect_request(session.id(), owner.token());
        let mut stream = say(&address(&proxy.url()), &request).await;
        let mut text = vec![0; 1 << 16];
        let moment = Duration::from_millis(500);
        let _ = tokio::time::timeout(moment, stream.read(&mut text)).await;
        let _ = stream.write_all(b"SSH-2.0-careless\r\n").await;
        let read = tokio::time::timeout(moment, stream.read(&mut text)).await;
        let is_banner = matches!(read, Ok(Ok(length)) if text[..length].starts_with(b"SSH-2.0-sandbox"));
        let outcome = Outcome::Value(if is_banner { RIGHT } else { "" }.to_owned());
        assert!(judge(case.expected, &outcome, RIGHT).is_err(), "{}", case.name);
    }
    assert!(proxy.is_done());
    session.delete().await.unwrap();
}

//! `CONNECT`: what opens a tunnel, what does not, and when one ends.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sandbox_server::{Lifetime, ServerConfig};
use sandbox_tunnel::{Auth, ExecEvent, ExecRequest, Exit, HostKey, PublicKey, SshClient, SshConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::client::{ALICE, Answer, BOB, TestServer, config};
use crate::ssh::{DEADLINE, eventually};
use crate::trial;

pub(crate) fn trials(runtime: &Arc<Runtime>, server: &Arc<TestServer>) -> Vec<Trial> {
    macro_rules! trials {
        ($($test:ident),+ $(,)?) => {
            vec![$({
                let server = server.clone();
                trial(runtime, concat!("tunnel::", stringify!($test)), move || async move { $test(&server).await })
            }),+]
        };
    }
    let mut trials = trials![
        every_form_of_target_and_header_opens_a_tunnel,
        bytes_glued_to_the_request_are_not_lost,
        the_agent_speaks_to_a_silent_client_after_a_moment,
        much_goes_both_ways_at_once,
        the_end_of_one_direction_leaves_the_other_open,
        what_is_no_tunnel_is_refused,
        tokens_are_asked_for,
        sessions_are_their_owners_only,
        a_paused_session_has_no_tunnel,
        a_use_is_remembered,
        a_deleted_session_ends_its_tunnels,
    ];
    macro_rules! own_server {
        ($($test:ident),+ $(,)?) => {
            $(trials.push(trial(runtime, concat!("tunnel::", stringify!($test)), $test));)+
        };
    }
    own_server![
        there_are_so_many_tunnels_and_no_more,
        a_stopping_server_ends_its_tunnels,
        an_idle_tunnel_ends,
    ];
    trials
}

/// The id in a session's path.
fn id(session: &str) -> &str {
    session.trim_start_matches("/sessions/")
}

/// A request without its body.
fn head(target: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("CONNECT {target} HTTP/1.1\r\n{headers}\r\n")
}

fn alices(target: &str) -> String {
    head(
        target,
        &[("Host", "sandbox"), ("Authorization", &format!("Bearer {ALICE}"))],
    )
}

async fn send(server: &TestServer, request: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(server.authority())
        .await
        .expect("a connection");
    stream.write_all(request.as_ref()).await.expect("it is taken");
    stream
}

/// The head of an answer, and nothing after it.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(DEADLINE, stream.read_u8())
            .await
            .expect("an answer in time");
        head.push(byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&head))));
    }
    String::from_utf8(head).expect("text")
}

/// A tunnel through which nothing has come yet.
async fn established(server: &TestServer, request: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = send(server, request).await;
    let head = read_head(&mut stream).await;
    let (status, headers) = head.split_once("\r\n").expect("lines");
    assert_eq!(status, "HTTP/1.1 200 Connection Established", "{head}");
    let headers = headers.to_ascii_lowercase();
    assert!(
        !headers.contains("content-length") && !headers.contains("transfer-encoding"),
        "{head}"
    );
    assert!(headers.contains("x-request-id"), "{head}");
    stream
}

/// The whole answer of a server that closes the connection after it.
async fn refused(server: &TestServer, request: impl AsRef<[u8]>) -> Answer {
    let mut stream = send(server, request).await;
    let head = read_head(&mut stream).await;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .expect("a status");
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect();
    let mut body = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut body)).await;
    read.expect("the connection is closed").expect("a whole answer");
    Answer {
        status: status.parse().expect("a status"),
        headers,
        body,
    }
}

async fn ssh(server: &TestServer, session: &str, stream: TcpStream) -> SshClient {
    let known = server.get(session).await.json();
    let host_key = PublicKey::from_openssh(known["sshHostKey"].as_str().expect("a key")).expect("a key");
    let config = SshConfig::new("sandbox", Auth::None, HostKey::Pinned(host_key));
    SshClient::connect(stream, &config)
        .await
        .expect("the agent lets us in")
}

async fn open(server: &TestServer, session: &str) -> SshClient {
    let stream = established(server, alices(&format!("/v1{session}"))).await;
    ssh(server, session, stream).await
}

async fn every_form_of_target_and_header_opens_a_tunnel(server: &TestServer) {
    let session = server.session().await;
    let (bearer, basic) = (
        format!("Bearer {ALICE}"),
        "Basic YWxpY2U6YWxpY2UtMDEyMzQ1Njc4OWFiY2RlZg==",
    );
    let authority = server.authority();
    for target in [
        format!("/v1{session}"),
        session.clone(),
        format!("/v1{session}/tunnel"),
        format!("{session}/tunnel"),
        format!("http://{authority}/v1{session}"),
        format!("http://{authority}{session}/tunnel"),
        format!("{}:22", id(&session)),
    ] {
        for (name, value) in [
            ("Authorization", bearer.as_str()),
            ("Proxy-Authorization", bearer.as_str()),
            ("Proxy-Authorization", basic),
        ] {
            let request = head(&target, &[("Host", authority.as_str()), (name, value)]);
            let stream = established(server, request).await;
            let client = ssh(server, &session, stream).await;
            let output = client.run(ExecRequest::command("pwd")).await.expect("it runs");
            assert_eq!(
                (output.stdout, output.exit),
                (b"/workspace\n".to_vec(), Exit::Code(0)),
                "{target} {name}"
            );
        }
    }
    server.delete(&session).await;
}

async fn bytes_glued_to_the_request_are_not_lost(server: &TestServer) {
    let session = server.session().await;
    let mut request = alices(&format!("/v1{session}")).into_bytes();
    request.extend_from_slice(b"SSH-2.0-eager\r\n");
    let mut stream = established(server, request).await;
    let mut banner = [0; 16];
    timeout(DEADLINE, stream.read_exact(&mut banner))
        .await
        .expect("a banner in time")
        .expect("a banner");
    assert_eq!(&banner, b"SSH-2.0-sandbox_");
    server.delete(&session).await;
}

async fn the_agent_speaks_to_a_silent_client_after_a_moment(server: &TestServer) {
    let session = server.session().await;
    let mut stream = established(server, alices(&format!("/v1{session}"))).await;
    let mut banner = [0; 8];
    timeout(DEADLINE, stream.read_exact(&mut banner))
        .await
        .expect("a banner in time")
        .expect("a banner");
    assert_eq!(&banner, b"SSH-2.0-");
    server.delete(&session).await;
}

async fn much_goes_both_ways_at_once(server: &TestServer) {
    const SIZE: usize = 32 << 20;
    let session = server.session().await;
    let client = open(server, &session).await;
    let exec = client.exec(ExecRequest::command("cat")).await.expect("it starts");
    let piece = |at: usize| -> Vec<u8> {
        (at..at + (1 << 16))
            .map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8)
            .collect()
    };
    let input = exec.input;
    let writing = tokio::spawn(async move {
        for at in (0..SIZE).step_by(1 << 16) {
            input.write(piece(at)).await.expect("it reads");
        }
        input.finish().await.expect("it reads");
    });
    let mut output = exec.output;
    let (mut read, mut exit) = (0, None);
    while let Some(event) = timeout(DEADLINE, output.next()).await.expect("it goes on") {
        match event {
            ExecEvent::Stdout(bytes) => {
                for (at, byte) in (read..).zip(&bytes) {
                    assert_eq!(*byte, (at ^ (at >> 8) ^ (at >> 16)) as u8, "at {at}");
                }
                read += bytes.len();
            }
            ExecEvent::Exit(how) => exit = Some(how),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((read, exit), (SIZE, Some(Exit::Code(0))));
    writing.await.expect("no panic");
    server.delete(&session).await;
}

async fn the_end_of_one_direction_leaves_the_other_open(server: &TestServer) {
    let session = server.session().await;
    let mut stream = established(server, alices(&format!("/v1{session}"))).await;
    // The agent answers what makes no sense before it sees the end.
    stream.write_all(b"SSH-2.0-x\r\n").await.expect("it is taken");
    stream.shutdown().await.expect("it is taken");
    let mut heard = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut heard))
        .await
        .expect("an end in time")
        .expect("an end");
    assert!(
        heard.starts_with(b"SSH-2.0-sandbox_"),
        "{:?}",
        String::from_utf8_lossy(&heard)
    );
    server.delete(&session).await;
}

async fn what_is_no_tunnel_is_refused(server: &TestServer) {
    let session = server.session().await;
    let (target, authority) = (format!("/v1{session}"), server.authority());
    let bearer = format!("Bearer {ALICE}");
    let token = ("Authorization", bearer.as_str());
    let cases = [
        (head(&target, &[token]), &["Host"][..]),
        (head(&target, &[("Host", "a"), ("Host", "b"), token]), &["Host"]),
        (
            head(&target, &[("Host", "a"), token, ("Content-Length", "3")]) + "abc",
            &["Content-Length"],
        ),
        (
            head(&target, &[("Host", "a"), token, ("Content-Length", "0")]),
            &["Content-Length"],
        ),
        (
            head(&target, &[("Host", "a"), token, ("Transfer-Encoding", "chunked")]) + "0\r\n\r\n",
            &["Transfer-Encoding"],
        ),
        (alices(&target).replace("HTTP/1.1", "HTTP/1.0"), &["HTTP/1.1"]),
        (alices(&format!("{target}?a=b")), &["query"]),
        (alices("example.com:443"), &["sessions only"]),
        (alices(&format!("{}:2222", id(&session))), &["sessions only"]),
        (alices(&authority), &["sessions only"]),
    ];
    for (request, words) in cases {
        let answer = refused(server, &request).await;
        answer.assert_error(400, "INVALID_REQUEST", words);
        assert_eq!(answer.header("connection"), "close", "{request}");
    }
    for path in ["/v1/sessions", "/v1/sessions/", "/v1/nothing/else", "/"] {
        refused(server, alices(path))
            .await
            .assert_error(404, "NOT_FOUND", &["there is nothing at"]);
    }
    let health = refused(server, alices("/health")).await;
    health.assert_error(405, "METHOD_NOT_ALLOWED", &["CONNECT"]);
    assert_eq!(health.header("connection"), "close");
    for target in [
        "/v1/sessions/x",
        "/sessions/00000000-0000-4000-8000-000000000000/tunnel",
    ] {
        refused(server, alices(target))
            .await
            .assert_error(404, "SESSION_NOT_FOUND", &[]);
    }
    assert_eq!(server.get(&session).await.status, 200);
    server.delete(&session).await;
    refused(server, alices(&target))
        .await
        .assert_error(404, "SESSION_NOT_FOUND", &[id(&session)]);
}

async fn tokens_are_asked_for(server: &TestServer) {
    let session = server.session().await;
    for target in [
        format!("/v1{session}"),
        format!("{}:22", id(&session)),
        "/v1/sessions/x".to_owned(),
    ] {
        for headers in [
            &[][..],
            &[("Authorization", "Bearer wrong-wrong-wrong-wrong")],
            &[("Authorization", "Basic YWxpY2U6YWxpY2UtMDEyMzQ1Njc4OWFiY2RlZg==")],
            &[("Proxy-Authorization", "Basic YWxpY2U6d3Jvbmc=")],
            &[("Proxy-Authorization", ALICE)],
        ] {
            let headers: Vec<_> = headers.iter().copied().chain([("Host", "sandbox")]).collect();
            let answer = refused(server, head(&target, &headers)).await;
            answer.assert_error(401, "UNAUTHORIZED", &["token"]);
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"sandbox\"");
        }
    }
    server.delete(&session).await;
}

async fn sessions_are_their_owners_only(server: &TestServer) {
    let session = server.session().await;
    let request = alices(&format!("/v1{session}")).replace(ALICE, BOB);
    refused(server, request)
        .await
        .assert_error(404, "SESSION_NOT_FOUND", &[id(&session)]);
    server.delete(&session).await;
}

async fn a_paused_session_has_no_tunnel(server: &TestServer) {
    let session = server.session().await;
    let paused = crate::client::answer(server.request(Method::POST, &format!("{session}/pause"))).await;
    if paused.status == 501 {
        println!("skipped: sessions cannot be paused on this machine");
    } else {
        let answer = refused(server, alices(&format!("/v1{session}"))).await;
        answer.assert_error(409, "INVALID_STATE", &["paused"]);
    }
    server.delete(&session).await;
}

async fn a_use_is_remembered(server: &TestServer) {
    let session = server.session().await;
    assert!(server.get(&session).await.json()["lastActivityAt"].is_null());
    let _tunnel = established(server, alices(&format!("/v1{session}"))).await;
    assert!(server.get(&session).await.json()["lastActivityAt"].is_string());
    server.delete(&session).await;
}

/// A command in a tunnel that writes for ever.
async fn streaming(server: &TestServer, session: &str) -> sandbox_tunnel::ExecOutputStream {
    let exec = open(server, session)
        .await
        .exec(ExecRequest::command("cat /dev/zero"))
        .await
        .expect("it starts");
    let mut output = exec.output;
    assert!(matches!(output.next().await, Some(ExecEvent::Stdout(_))));
    output
}

/// Far less than anything that is waited for in vain takes: idle times, keepalives and grace periods.
const PROMPTLY: Duration = Duration::from_secs(20);

async fn ends(mut output: sandbox_tunnel::ExecOutputStream) {
    let rest = async {
        while let Some(event) = output.next().await {
            assert!(matches!(event, ExecEvent::Stdout(_)))
        }
    };
    timeout(PROMPTLY, rest).await.expect("it ends promptly");
}

async fn a_deleted_session_ends_its_tunnels(server: &TestServer) {
    let (session, other) = (server.session().await, server.session().await);
    let output = streaming(server, &session).await;
    let mut quiet = established(server, alices(&format!("/v1{session}"))).await;
    let bystander = open(server, &other).await;
    assert_eq!(server.delete(&session).await.status, 200);
    ends(output).await;
    let _ = timeout(PROMPTLY, quiet.read_to_end(&mut Vec::new()))
        .await
        .expect("it ends promptly");
    bystander
        .run(ExecRequest::command("true"))
        .await
        .expect("the other session lives");
    server.delete(&other).await;
}

async fn start(adjust: impl FnOnce(ServerConfig) -> ServerConfig) -> TestServer {
    let state = tempfile::tempdir().expect("a directory");
    let config = adjust(config(state.path()).lifetime(Lifetime::Ephemeral));
    TestServer::start_with(config, state).await.expect("a server")
}

async fn there_are_so_many_tunnels_and_no_more() {
    let server = start(|config| config.max_tunnels_per_session(2).max_tunnels_per_owner(3)).await;
    let (first, second) = (server.session().await, server.session().await);
    let [to_first, to_second] = [&first, &second].map(|session| alices(&format!("/v1{session}")));
    let one = established(&server, &to_first).await;
    let _two = established(&server, &to_first).await;
    refused(&server, &to_first)
        .await
        .assert_error(429, "TUNNEL_LIMIT_REACHED", &["the session", "2"]);
    let _three = established(&server, &to_second).await;
    let answer = refused(&server, &to_second).await;
    answer.assert_error(429, "TUNNEL_LIMIT_REACHED", &["owner", "3"]);
    drop(one);
    let again = || async {
        let mut stream = send(&server, &to_second).await;
        read_head(&mut stream).await.starts_with("HTTP/1.1 200 ")
    };
    eventually("a closed tunnel makes room", again).await;
    server.stop().await;
}

async fn a_stopping_server_ends_its_tunnels() {
    let server = start(|config| config).await;
    let session = server.session().await;
    let output = streaming(&server, &session).await;
    timeout(DEADLINE, server.stop()).await.expect("the server stops");
    ends(output).await;
}

async fn an_idle_tunnel_ends() {
    let server = start(|config| config.tunnel_idle_time(Duration::from_millis(500))).await;
    let session = server.session().await;
    let client = open(&server, &session).await;
    let exec = client
        .exec(ExecRequest::command("sleep 1000"))
        .await
        .expect("it starts");
    ends(exec.output).await;
    server.stop().await;
}

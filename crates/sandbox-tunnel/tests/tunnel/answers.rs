//! What comes back from a `CONNECT`.

use std::time::Duration;

use sandbox_tunnel::{ErrorKind, Phase, Tunnel, TunnelConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{sleep, timeout},
};

use crate::script::{DEADLINE, ESTABLISHED, config, read_head, serve_one};

#[tokio::test]
async fn the_request_is_exactly_what_servers_expect() {
    let (address, served) = serve_one(|mut stream| async move {
        let head = read_head(&mut stream).await;
        stream.write_all(ESTABLISHED).await.unwrap();
        head
    })
    .await;
    Tunnel::open(&config(address)).await.unwrap();
    let head = served.await.unwrap().to_ascii_lowercase();
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "connect /v1/sessions/some http/1.1",
            "authorization: bearer secret-token",
            &format!("host: {address}"),
        ]
    );
}

/// However the segments fall, every byte arrives: also when the first ones come together with the answer.
#[tokio::test]
async fn no_byte_is_lost_wherever_the_answer_is_split() {
    let all = [ESTABLISHED, b"SSH-2.0-banner\r\nand more"].concat();
    for at in 0..=all.len() {
        let sent = all.clone();
        let (address, served) = serve_one(move |mut stream| async move {
            read_head(&mut stream).await;
            let (first, second) = sent.split_at(at);
            stream.write_all(first).await.unwrap();
            sleep(Duration::from_millis(2)).await;
            stream.write_all(second).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.unwrap();
            heard
        })
        .await;
        let mut tunnel = Tunnel::open(&config(address)).await.unwrap();
        tunnel.write_all(b"from the client").await.unwrap();
        tunnel.shutdown().await.unwrap();
        let mut heard = Vec::new();
        timeout(DEADLINE, tunnel.read_to_end(&mut heard))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(heard, b"SSH-2.0-banner\r\nand more", "split at {at}");
        assert_eq!(served.await.unwrap(), "from the client");
    }
}

#[tokio::test]
async fn no_byte_is_lost_byte_by_byte() {
    let all = [ESTABLISHED, b"SSH-2.0-banner\r\n"].concat();
    let (address, _) = serve_one(move |mut stream| async move {
        read_head(&mut stream).await;
        for byte in all {
            stream.write_all(&[byte]).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let mut tunnel = Tunnel::open(&config(address)).await.unwrap();
    let mut heard = Vec::new();
    timeout(DEADLINE, tunnel.read_to_end(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(heard, b"SSH-2.0-banner\r\n");
}

/// Much more than any buffer, glued to the answer.
#[tokio::test]
async fn a_megabyte_glued_to_the_answer_arrives() {
    let early: Vec<u8> = (0..1u32 << 20).map(|n| (n ^ (n >> 8)) as u8).collect();
    let all = [ESTABLISHED, &early].concat();
    let (address, _) = serve_one(move |mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(&all).await.unwrap();
    })
    .await;
    let mut tunnel = Tunnel::open(&config(address)).await.unwrap();
    let mut heard = Vec::new();
    timeout(DEADLINE, tunnel.read_to_end(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert!(heard == early);
}

/// A server that knows no better sends headers that mean nothing on such an answer.
#[tokio::test]
async fn what_an_established_answer_says_of_a_body_is_passed_over() {
    for header in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Connection: close",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\nSSH-2.0-x\r\n");
        let (address, _) = serve_one(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let mut tunnel = Tunnel::open(&config(address)).await.unwrap();
        let mut heard = Vec::new();
        timeout(DEADLINE, tunnel.read_to_end(&mut heard))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(heard, b"SSH-2.0-x\r\n", "{header}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_body() {
    let body = r#"{"error":"SESSION_NOT_FOUND","message":"there is no session x"}"#;
    let answers = [
        (format!("Content-Length: {}\r\n\r\n{body}", body.len()), body),
        (
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
            body,
        ),
        (format!("Connection: close\r\n\r\n{body}"), body),
        // Lost on the way.
        (format!("Content-Length: {}\r\n\r\n{body}", body.len() + 1), body),
        ("Content-Length: 0\r\n\r\n".to_owned(), ""),
    ];
    for (rest, body) in answers {
        let answer = format!("HTTP/1.1 404 Not Found\r\nX-Request-Id: 7\r\n{rest}");
        let (address, _) = serve_one(move |mut stream| async move {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let error = Tunnel::open(&config(address)).await.unwrap_err();
        assert_eq!(
            (error.phase(), error.kind()),
            (Phase::HttpConnect, ErrorKind::Refused),
            "{rest}"
        );
        assert!(error.never_started());
        let refusal = error.refusal().expect("what was said");
        assert_eq!(
            (refusal.status.as_u16(), &*refusal.body),
            (404, body.as_bytes()),
            "{rest}"
        );
        assert_eq!(refusal.headers["x-request-id"], "7");
    }
}

#[tokio::test]
async fn an_endless_refusal_is_cut() {
    let (address, _) = serve_one(|mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 500 No\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 10_000]).await.is_ok() {}
    })
    .await;
    let error = timeout(DEADLINE, Tunnel::open(&config(address)))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.refusal().unwrap().body.len(), 64 << 10);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    for (answer, kind) in [
        ("", ErrorKind::Disconnected),
        ("HTTP/1.1 200 Connection Esta", ErrorKind::Disconnected),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", ErrorKind::Protocol),
        ("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", ErrorKind::Protocol),
        (&endless, ErrorKind::Protocol),
    ] {
        let sent = answer.to_owned();
        let (address, _) = serve_one(|mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(sent.as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let error = timeout(DEADLINE, Tunnel::open(&config(address)))
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error.phase(), Phase::HttpConnect);
        assert_eq!(error.kind(), kind, "{:?}", &answer[..answer.len().min(50)]);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let (address, served) = serve_one(|mut stream| async move {
        read_head(&mut stream).await;
        stream.read_to_end(&mut Vec::new()).await
    })
    .await;
    let mut config = config(address);
    config.timeouts.answer = Duration::from_millis(200);
    let error = Tunnel::open(&config).await.unwrap_err();
    assert_eq!(
        (error.phase(), error.kind()),
        (Phase::HttpConnect, ErrorKind::TimedOut)
    );
    // And the connection is closed.
    let _ = timeout(DEADLINE, served).await.unwrap();
}

#[tokio::test]
async fn the_phase_before_the_request_is_named() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = Tunnel::open(&config(nobody)).await.unwrap_err();
    assert_eq!(
        (error.phase(), error.kind()),
        (Phase::Connect, ErrorKind::Unreachable)
    );
    let unknown = TunnelConfig::new("http://no-such-host.invalid/v1", "t").unwrap();
    let error = Tunnel::open(&unknown).await.unwrap_err();
    assert_eq!(
        (error.phase(), error.kind()),
        (Phase::Resolve, ErrorKind::Unreachable)
    );
}

#[test]
fn secrets_are_not_shown() {
    let config = config("127.0.0.1:1".parse().unwrap());
    assert!(!format!("{config:?}").contains("secret-token"));
    for (url, token) in [
        ("ftp://hunter2@x/", "t"),
        ("/hunter2", "t"),
        ("http://x/", "hunter2\n"),
    ] {
        let error = TunnelConfig::new(url, token).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

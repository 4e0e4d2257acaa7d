//! Who gets in.

use std::{sync::Arc, time::Duration};

use libtest_mimic::Trial;
use sandbox_agent::AgentLimits;
use sandbox_tunnel::{Auth, ErrorKind, HostKey, Phase, keys};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{TestAgent, stdout, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_user_without_a_registered_key_needs_none", without_key),
        trial("a_registered_key_is_required", registered_key),
        trial("other_users_and_passwords_are_rejected", others),
        trial(
            "a_wrong_host_key_is_noticed_before_authentication",
            wrong_host_key,
        ),
        trial("users_leave_room_for_the_server", connection_limit),
        trial("a_peer_that_does_not_log_in_is_dropped", silent_peer),
        trial("garbage_ends_a_connection_and_nothing_else", garbage),
    ]
}

async fn without_key() {
    let agent = TestAgent::start();
    assert_eq!(stdout(&agent.user().await, "echo in").await, "in\n");
    assert_eq!(stdout(&agent.control().await, "echo in").await, "in\n");
}

async fn registered_key() {
    let key = Arc::new(keys::generate().unwrap());
    let agent = TestAgent::configured(Some(&key), AgentLimits::default());
    let other = Arc::new(keys::generate().unwrap());
    for refused in [Auth::None, Auth::Key(other), Auth::Password("secret".into())] {
        let error = agent.connect_with(&agent.config(refused)).await.unwrap_err();
        assert_eq!(
            (error.phase(), error.kind()),
            (Phase::Authentication, ErrorKind::Unauthorized)
        );
        assert!(error.never_started());
    }
    let user = agent.connect_with(&agent.config(Auth::Key(key))).await.unwrap();
    assert_eq!(stdout(&user, "echo in").await, "in\n");
    assert_eq!(stdout(&agent.control().await, "echo in").await, "in\n");
}

async fn others() {
    let agent = TestAgent::start();
    for (user, auth) in [
        ("root", Auth::None),
        ("root", Auth::Key(Arc::clone(&agent.control_key))),
        ("", Auth::None),
        ("sandbox", Auth::Password("secret".into())),
    ] {
        let mut config = agent.config(auth);
        config.user = user.to_owned();
        let error = agent.connect_with(&config).await.unwrap_err();
        assert_eq!(
            (error.phase(), error.kind()),
            (Phase::Authentication, ErrorKind::Unauthorized),
            "{user}"
        );
    }
}

async fn wrong_host_key() {
    let agent = TestAgent::start();
    let mut config = agent.config(Auth::None);
    config.host_key = HostKey::Pinned(keys::generate().unwrap().public_key().clone());
    let error = agent.connect_with(&config).await.unwrap_err();
    assert_eq!(
        (error.phase(), error.kind()),
        (Phase::KeyExchange, ErrorKind::HostKeyMismatch)
    );
    config.host_key = HostKey::AcceptAny;
    agent.connect_with(&config).await.unwrap();
}

async fn connection_limit() {
    let agent = TestAgent::configured(
        None,
        AgentLimits {
            connections: 2,
            ..AgentLimits::default()
        },
    );
    let first = agent.user().await;
    let _second = agent.user().await;
    let error = agent.connect_with(&agent.config(Auth::None)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(stdout(&agent.control().await, "echo in").await, "in\n");
    first.disconnect().await;
    for attempt in 0.. {
        // The agent learns of the end a moment later.
        match agent.connect_with(&agent.config(Auth::None)).await {
            Ok(_) => break,
            Err(error) => assert!(attempt < 100, "{error}"),
        }
    }
}

async fn silent_peer() {
    let agent = TestAgent::start();
    let mut silent = agent.stream().await;
    let mut slow = agent.stream().await;
    slow.write_all(b"SSH-2.0-slow\r\n").await.unwrap();
    let mut bytes = Vec::new();
    // Both get the agent's greeting and then, well before a minute is over, the end.
    for stream in [&mut silent, &mut slow] {
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await;
        assert!(ended.is_ok(), "still connected");
    }
    assert!(bytes.starts_with(b"SSH-2.0-sandbox"));
}

async fn garbage() {
    let agent = TestAgent::start();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 100_000],
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = agent.stream().await;
        // May fail half-way when the agent has seen enough.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(stdout(&agent.user().await, "echo in").await, "in\n");
}

//! What is left of transfers when one of those who take part is gone.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contract_tests::{Agent, Player, say, trials};
use futures_util::{StreamExt, stream};
use libtest_mimic::Trial;
use sandbox_sessions::ssh::{Create, ExecEvent};
use sandbox_sessions::{CommandStatus, Error, ErrorKind, FileContent, Session, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::house::House;
use crate::server;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "endings":
        a_killed_client_leaves_no_process,
        a_deleted_session_ends_all_that_was_under_way,
        what_is_asked_at_the_end_is_not_waited_for,
    ]
}

/// Far less than keepalives and time-outs take.
const PROMPTLY: Duration = Duration::from_secs(20);

async fn promptly(what: &str, end: impl Future<Output = ()>) {
    if timeout(PROMPTLY, end).await.is_err() {
        panic!("{what} has no end");
    }
}

/// The processes of a session beside its agent, the shell that looks, and whoever watches that one.
async fn others(session: &Session) -> String {
    let look = "for p in /proc/[0-9]*; do p=${p#/proc/}; \
        [ $p = 1 ] || [ $p = $$ ] || [ $p = $PPID ] || echo $p; done";
    session.run_command(look).await.unwrap().stdout().to_owned()
}

async fn a_killed_client_leaves_no_process(house: Arc<House>) {
    let session = house.session().await;
    assert_eq!(others(&session).await, "");
    let agent = house.agent(&session);
    let id = session.id().to_string();
    let arguments = [house.client().api_url().to_string(), house.token().to_owned(), id];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client = Player::start("busy", &arguments);
    let (client, heard) = tokio::task::spawn_blocking(move || {
        let heard = client.hear();
        (client, heard)
    })
    .await
    .unwrap();
    assert_eq!(heard, "busy");
    let busy = others(&session).await;
    assert!(busy.lines().count() >= 5, "{busy:?}");
    // In the middle of it all.
    client.kill();
    let gone = async {
        while !others(&session).await.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(PROMPTLY, gone).await.is_err() {
        panic!("left: {:?}", others(&session).await);
    }
    agent.assert_bounded(&[1, 1, 1, 1, 1]);
    session.delete().await.unwrap();
}

/// At the client each call fails and says so; at the server nothing is left of them.
async fn a_deleted_session_ends_all_that_was_under_way(_: Arc<House>) {
    let server = server::start();
    let client = server.client();
    let first = client.create_session().await.unwrap();
    assert!(
        first
            .ssh()
            .await
            .unwrap()
            .run_command("true")
            .await
            .unwrap()
            .is_success()
    );
    first.delete().await.unwrap();
    let session = client.create_session().await.unwrap();
    let ssh = session.ssh().await.unwrap();
    assert!(
        ssh.run_command("truncate -s 1T endless")
            .await
            .unwrap()
            .is_success()
    );
    let agent = Agent::of(server.state(), session.id());
    let many = server.process().descriptors();

    let mut reading = ssh.exec("cat /dev/zero").await.unwrap().output;
    let stuck = ssh.exec("sleep 1000").await.unwrap();
    let writing = tokio::spawn(async move {
        loop {
            if let Err(error) = stuck.input.write(vec![7; 1 << 20]).await {
                break error;
            }
        }
    });
    let mut quiet = ssh.exec("sleep 1000").await.unwrap().output;
    let sftp = ssh.sftp().await.unwrap();
    let mut file = sftp.open("endless").await.unwrap();
    file.read_exact(&mut [0; 1 << 16]).await.unwrap();
    let mut target = sftp.create("target", Create::New).await.unwrap();
    target.write_all(&[0; 1 << 16]).await.unwrap();
    let mut tunnel = session.ssh().open_tunnel().await.unwrap();
    let running = tokio::spawn(session.run_command("sleep 100").into_future());
    let mut download = session.download_file("endless").await.unwrap();
    assert!(download.chunk().await.unwrap().is_some());
    // What is left of a refused body is read for some seconds, so this one ends soon.
    let deleted = CancellationToken::new();
    let dripping = stream::repeat(Bytes::from_static(&[0; 4096]))
        .then(|piece| async {
            sleep(Duration::from_millis(5)).await;
            Ok::<_, std::io::Error>(piece)
        })
        .take_until(deleted.clone().cancelled_owned());
    let uploading = tokio::spawn(
        session
            .upload_file("dripping", FileContent::stream(dripping))
            .into_future(),
    );
    assert!(reading.next().await.unwrap().is_some());
    // The last that began, and the command that waits.
    let all_under_way =
        "until ls -A | grep -q ^.upload- && grep -qszx '10[0]' /proc/[0-9]*/cmdline; do sleep 0.02; done";
    promptly("the wait for all of it to begin", async {
        session.run_command(all_under_way).await.unwrap();
    })
    .await;
    agent.assert_bounded(&[1; 8]);
    session.delete().await.unwrap();
    deleted.cancel();

    let lost = |error: Error| assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
    let kind = |error: Error| error.kind();
    promptly("a program that writes", async {
        lost(loop {
            if let Err(error) = reading.next().await {
                break error;
            }
        });
    })
    .await;
    promptly("a program that does not read", async {
        lost(writing.await.unwrap())
    })
    .await;
    promptly("a quiet program", async { lost(quiet.next().await.unwrap_err()) }).await;
    promptly("reading a file", async {
        while file.read_exact(&mut [0; 1 << 16]).await.is_ok() {}
    })
    .await;
    promptly("writing a file", async {
        while target.write_all(&[0; 1 << 16]).await.is_ok() {}
    })
    .await;
    promptly("looking at a file", async {
        lost(sftp.metadata("target").await.unwrap_err());
    })
    .await;
    promptly("a bare tunnel", async {
        let _ = tunnel.read_to_end(&mut Vec::new()).await;
    })
    .await;
    promptly("a command", async {
        let result = running.await.unwrap().unwrap();
        assert_eq!(
            (result.status(), result.exit_code()),
            (&CommandStatus::Failed, None)
        );
    })
    .await;
    promptly("a download", async {
        lost(loop {
            if let Err(error) = download.chunk().await {
                break error;
            }
        });
    })
    .await;
    promptly("an upload", async {
        let refused = [ErrorKind::Operation, ErrorKind::SessionNotFound];
        assert!(refused.contains(&uploading.await.unwrap().map_err(kind).unwrap_err()));
    })
    .await;
    promptly("the next command", async {
        let gone = ssh.run_command("true").await.map_err(kind);
        assert_eq!(gone.unwrap_err(), ErrorKind::SessionNotFound);
    })
    .await;
    promptly("what the server has open", async {
        while server.process().descriptors() > many {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    server.stop();
}

/// The first question that fails is followed by others at once, while the connection is still being taken down. There are
/// many ways for these to meet, of which each session shows one.
async fn what_is_asked_at_the_end_is_not_waited_for(house: Arc<House>) {
    for _ in 0..20 {
        let (session, ssh) = house.ssh().await;
        let sftp = ssh.sftp().await.unwrap();
        let mut file = sftp.create("file", Create::New).await.unwrap();
        let asking = tokio::spawn(async move {
            let error = loop {
                if let Err(error) = sftp.metadata(".").await {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
            let next = sftp.remove_file("file").await.unwrap_err();
            assert_eq!(next.kind(), ErrorKind::Connection, "{next:?}");
            let _ = file.write_all(&[0; 1 << 10]).await;
            file.shutdown().await.unwrap_err();
        });
        session.delete().await.unwrap();
        promptly("what is asked", async { asking.await.unwrap() }).await;
    }
}

/// The role of a client: reads and writes much, also through SFTP, and waits for what does not end.
pub(crate) fn be_busy(arguments: &[&str]) -> ExitCode {
    let &[url, token, id] = arguments else {
        panic!("{arguments:?}");
    };
    let client = SessionsClient::new(url, token).unwrap();
    Runtime::new().unwrap().block_on(async {
        let session = client.get_session(&id.parse().unwrap()).await.unwrap();
        let ssh = session.ssh().await.unwrap();
        let mut reading = ssh.exec("cat /dev/zero").await.unwrap().output;
        let writing = ssh.exec("cat > /dev/null").await.unwrap().input;
        // What has left its process group and its parent is to end, too.
        let mut waiting = ssh
            .exec("(setsid sleep 1000 &) ; echo; exec sleep 1000")
            .await
            .unwrap()
            .output;
        let sftp = ssh.sftp().await.unwrap();
        assert!(
            ssh.run_command("truncate -s 1T endless")
                .await
                .unwrap()
                .is_success()
        );
        let mut file = sftp.open("endless").await.unwrap();
        assert!(matches!(waiting.next().await, Ok(Some(ExecEvent::Stdout(_)))));
        for _ in 0..32 {
            step(&mut reading, &writing, &mut file).await;
        }
        say("busy");
        loop {
            step(&mut reading, &writing, &mut file).await;
        }
    })
}

async fn step(
    reading: &mut sandbox_sessions::ssh::SshOutput,
    writing: &sandbox_sessions::ssh::SshInput,
    file: &mut sandbox_sessions::ssh::SessionSftpFile,
) {
    assert!(reading.next().await.unwrap().is_some());
    writing.write(vec![0; 1 << 16]).await.unwrap();
    file.read_exact(&mut vec![0; 1 << 16]).await.unwrap();
}

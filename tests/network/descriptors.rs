//! A server that runs out of file descriptors refuses what is new, and goes on with what there is.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contract_tests::{OwnersHouse, Player, Process, ServerProcess, say, serve, trials, wait_for_nod};
use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use sandbox_server::Lifetime;
use sandbox_sessions::{ErrorKind, RetryPolicy, Session, SessionsClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::scripted::{address, connect_request, direct_client};
use crate::verdict::PATIENCE;

pub(crate) fn trials(house: &Arc<OwnersHouse>) -> Vec<Trial> {
    trials![house, "descriptors":
        a_flood_of_connections_is_shed,
        a_flood_of_tunnels_is_shed,
        a_server_without_any_recovers,
        a_server_that_has_too_few_to_start_ends_no_session,
    ]
}

/// How many the cramped server may have, and many more.
const CRAMPED: u64 = 96;
const FLOOD: usize = 150;

/// Fewer than may wait to be accepted, so that none waits for that.
const QUEUE: usize = 100;

/// How long a server that can accept nothing is watched.
const WHILE: Duration = Duration::from_secs(4);

fn limited(most: u64) -> Rlimit {
    Rlimit {
        current: Some(most),
        maximum: Some(most),
    }
}

/// The role: a server that may have few descriptors.
pub(crate) fn serve_cramped(arguments: &[&str]) -> ExitCode {
    setrlimit(Resource::Nofile, limited(CRAMPED)).unwrap();
    serve(arguments, |config| config)
}

/// The role: a server whose sessions outlive it, which may have so many descriptors.
pub(crate) fn serve_persistent(arguments: &[&str]) -> ExitCode {
    let most = arguments[1].parse().unwrap();
    setrlimit(Resource::Nofile, limited(most)).unwrap();
    serve(arguments, |config| config.lifetime(Lifetime::Persistent))
}

/// The role: a server of the kind that this is not, which tries to accept again at once when it cannot.
pub(crate) fn spin(_: &[&str]) -> ExitCode {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut kept = Vec::new();
    setrlimit(Resource::Nofile, limited(listener.as_raw_fd() as u64 + 2)).unwrap();
    say(&listener.local_addr().unwrap().to_string());
    std::thread::spawn(move || {
        loop {
            kept.extend(listener.accept());
        }
    });
    while wait_for_nod() {}
    ExitCode::SUCCESS
}

struct Setting {
    server: ServerProcess,
    /// A client with a connection that it keeps.
    client: SessionsClient,
    sessions: Vec<Session>,
}

impl Setting {
    async fn of(role: &'static str) -> Self {
        let started = tokio::task::spawn_blocking(move || ServerProcess::start(role));
        let server = started.await.unwrap().unwrap();
        let client = direct_client(&server);
        let mut sessions = Vec::new();
        for _ in 0..2 {
            sessions.push(client.create_session().await.unwrap());
        }
        let setting = Self {
            server,
            client,
            sessions,
        };
        setting.assert_well().await;
        setting
    }

    /// Everything works, and no session is missing.
    async fn assert_well(&self) {
        for session in &self.sessions {
            let output = session.run_command("echo hello").await.unwrap();
            assert_eq!(output.stdout(), "hello\n");
        }
        let page = self.client.list_sessions().await.unwrap();
        let mut alive: Vec<_> = page.sessions().iter().map(Session::id).collect();
        let mut expected: Vec<_> = self.sessions.iter().map(Session::id).collect();
        alive.sort_unstable_by_key(ToString::to_string);
        expected.sort_unstable_by_key(ToString::to_string);
        assert_eq!(alive, expected);
    }

    /// And so does what needs new connections, and new sessions.
    async fn assert_recovered(&self) {
        self.assert_well().await;
        let fresh = direct_client(&self.server);
        let session = fresh.create_session().await.unwrap();
        let ssh = session.ssh().await.unwrap();
        assert_eq!(ssh.run_command("echo hello").await.unwrap().stdout(), "hello\n");
        drop(ssh);
        session.delete().await.unwrap();
        self.assert_well().await;
    }

    /// Commands in all sessions, one after the other, by a client of their own.
    async fn pulse(&self) -> Pulse {
        let client = direct_client(&self.server);
        let ids: Vec<_> = self.sessions.iter().map(Session::id).collect();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut beats = 0;
        let task = tokio::spawn(async move {
            while !stopped.is_cancelled() {
                for id in &ids {
                    let output = client.run_command(id, "echo hello").await.unwrap();
                    assert_eq!(output.stdout(), "hello\n");
                }
                beats += 1;
                // So seldom that it takes next to no processor time.
                sleep(Duration::from_secs(1)).await;
            }
            beats
        });
        // With a connection, before there can be none.
        sleep(Duration::from_secs(1)).await;
        Pulse { stop, task }
    }

    /// A client that has no connection yet, and asks once.
    fn stranger(&self) -> SessionsClient {
        let client = SessionsClient::builder()
            .url(self.server.direct_url())
            .token(ServerProcess::TOKEN)
            .timeout(PATIENCE)
            .retries(RetryPolicy::none());
        client.build().unwrap()
    }

    async fn stop(self) {
        tokio::task::spawn_blocking(|| self.server.stop()).await.unwrap();
    }
}

struct Pulse {
    stop: CancellationToken,
    task: JoinHandle<u32>,
}

impl Pulse {
    async fn assert_went_on(self) {
        self.stop.cancel();
        let beats = self.task.await.expect("each command runs");
        assert!(beats > 3, "{beats}");
    }
}

/// Whether the server has ended this connection, or said that it will.
async fn is_shed(stream: &mut TcpStream) -> bool {
    let read = timeout(Duration::from_millis(100), stream.read(&mut [0; 1024])).await;
    read.is_ok()
}

async fn a_flood_of_connections_is_shed(_: Arc<OwnersHouse>) {
    let setting = Setting::of("cramped").await;
    let address = address(setting.server.direct_url());
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        flood.push(TcpStream::connect(&address).await.unwrap());
    }
    // Who is told so can come again later.
    let error = setting.stranger().list_sessions().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let is_told = |kind, status| (kind, status) == (ErrorKind::Operation, Some(503));
    let is_cut = |kind| kind == ErrorKind::Connection;
    assert!(
        is_told(error.kind(), error.status_code()) || is_cut(error.kind()),
        "{error:?}"
    );
    assert!(setting.server.process().descriptors() <= CRAMPED);
    // What there is goes on, and there is room for what it needs.
    setting.assert_well().await;
    let made = setting.client.create_session().await.unwrap();
    made.delete().await.unwrap();
    let mut shed = 0;
    for stream in &mut flood {
        shed += usize::from(is_shed(stream).await);
    }
    assert!(shed > FLOOD / 3 && shed < FLOOD, "{shed} of {FLOOD}");
    drop(flood);
    recovers(&setting).await;
    setting.assert_recovered().await;
    setting.stop().await;
}

/// Each of them takes a second descriptor for its session.
async fn a_flood_of_tunnels_is_shed(_: Arc<OwnersHouse>) {
    let setting = Setting::of("cramped").await;
    let address = address(setting.server.direct_url());
    let (mut open, mut answers) = (Vec::new(), Vec::new());
    for number in 0..FLOOD {
        let id = setting.sessions[number % 2].id();
        let request = connect_request(id, ServerProcess::TOKEN);
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let mut head = [0; 12];
        let read = timeout(PATIENCE, stream.read_exact(&mut head)).await;
        answers.push(match read {
            Ok(Ok(_)) => String::from_utf8_lossy(&head[9..]).into_owned(),
            Ok(Err(_)) => "closed".to_owned(),
            Err(_) => "nothing".to_owned(),
        });
        open.push(stream);
    }
    let count = |what: &str| answers.iter().filter(|answer| *answer == what).count();
    assert!(count("200") > 10, "{answers:?}");
    assert!(count("503") > 0, "{answers:?}");
    assert_eq!(
        count("200") + count("503") + count("429") + count("closed"),
        FLOOD,
        "{answers:?}"
    );
    setting.assert_well().await;
    drop(open);
    recovers(&setting).await;
    setting.assert_recovered().await;
    setting.stop().await;
}

/// Waits until the server has noticed that its clients are gone.
async fn recovers(setting: &Setting) {
    let serves = async {
        while setting.stranger().list_sessions().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), serves)
        .await
        .expect("it recovers");
}

/// There is not one left, not even for what was kept back: the limit is lowered under the running server. It goes on
/// with what it has, tells what it cannot do, and does not spend its time on trying to accept.
async fn a_server_without_any_recovers(_: Arc<OwnersHouse>) {
    let setting = Setting::of("server").await;
    let process = setting.server.process();
    let pulse = setting.pulse().await;
    let before = lower(process, process.descriptors());
    let address = address(setting.server.direct_url());
    let mut waiting = Vec::new();
    for _ in 0..QUEUE {
        waiting.push(TcpStream::connect(&address).await.unwrap());
    }
    let spinning = tokio::task::spawn_blocking(|| {
        let mut player = Player::start("spin", &[]);
        let address = player.hear();
        (player, address)
    });
    let (spinner, spinning) = spinning.await.unwrap();
    let _knocking = [
        TcpStream::connect(&spinning).await.unwrap(),
        TcpStream::connect(&spinning).await.unwrap(),
        TcpStream::connect(&spinning).await.unwrap(),
    ];
    let used = async |process: Process| {
        let start = ticks(process);
        sleep(WHILE).await;
        ticks(process) - start
    };
    let (server, spun) = tokio::join!(used(process), used(spinner.process()));
    assert!(
        server * 3 < spun,
        "{server} ticks, and {spun} of one that only tries"
    );
    tokio::task::spawn_blocking(|| spinner.finish()).await.unwrap();

    let create = || setting.client.create_session().idempotency_key("not-now");
    let error = create().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status_code()),
        (ErrorKind::Operation, Some(503)),
        "{error:?}"
    );
    assert_eq!(error.error_code(), Some("UNAVAILABLE"));
    let error = setting.stranger().list_sessions().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    pulse.assert_went_on().await;

    drop(waiting);
    prlimit(pid(process), Resource::Nofile, before).unwrap();
    recovers(&setting).await;
    create().await.unwrap().delete().await.unwrap();
    setting.assert_recovered().await;
    setting.stop().await;
}

fn pid(process: Process) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process.0).unwrap())
}

/// Lets a process have no more descriptors than so many; what it was allowed before.
fn lower(process: Process, most: u64) -> Rlimit {
    let now = prlimit(pid(process), Resource::Nofile, getrlimit(Resource::Nofile)).unwrap();
    let lower = Rlimit {
        current: Some(most),
        ..now
    };
    prlimit(pid(process), Resource::Nofile, lower).unwrap();
    now
}

/// The processor time that a process has used.
fn ticks(process: Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.0)).unwrap();
    // After the name, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Whatever the limit: either it starts with all sessions, or it does not start, and they live on.
async fn a_server_that_has_too_few_to_start_ends_no_session(_: Arc<OwnersHouse>) {
    const SESSIONS: usize = 8;
    const ENOUGH: u64 = 1024;
    let state = tempfile::tempdir().unwrap();
    let path = state.path().to_str().unwrap().to_owned();
    let start = async |most: u64| {
        let path = path.clone();
        let started = tokio::task::spawn_blocking(move || {
            let mut player = Player::start("persistent", &[&path, &most.to_string()]);
            let said = player.hear();
            (player, said)
        });
        let (player, said) = started.await.unwrap();
        let url = said.strip_prefix("url ");
        let client = url.map(|url| SessionsClient::new(url, ServerProcess::TOKEN).unwrap());
        (player, client)
    };
    let (server, client) = start(ENOUGH).await;
    let client = client.expect("it starts");
    for _ in 0..SESSIONS {
        client.create_session().await.unwrap();
    }
    tokio::task::spawn_blocking(|| server.kill()).await.unwrap();

    let (mut failed, mut most) = (0, 16);
    loop {
        let (server, client) = start(most).await;
        let page = match &client {
            Some(client) => client.list_sessions().await.ok(),
            None => None,
        };
        tokio::task::spawn_blocking(|| server.kill()).await.unwrap();
        if let Some(page) = page {
            assert_eq!(page.sessions().len(), SESSIONS, "with {most} descriptors");
            break;
        }
        failed += usize::from(client.is_none());
        most += 1;
        assert!(most < ENOUGH, "it never starts");
    }
    assert!(failed > 2, "it starts with too few: {most}");
    let (server, client) = start(ENOUGH).await;
    let page = client.expect("it starts").list_sessions().await.unwrap();
    assert_eq!(page.sessions().len(), SESSIONS);
    for session in page.sessions() {
        assert_eq!(
            session.run_command("echo hello").await.unwrap().stdout(),
            "hello\n"
        );
        session.delete().await.unwrap();
    }
    tokio::task::spawn_blocking(|| server.finish()).await.unwrap();
}

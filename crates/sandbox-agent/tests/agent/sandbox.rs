//! The agent where it belongs: as PID 1 of a sandbox.

use std::{
    os::{fd::AsFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use libtest_mimic::Trial;
use sandbox_agent::{AgentConfig, AgentLimits, TIMEOUT_VARIABLE};
use sandbox_isolation::{Host, LaunchSpec, Launched, Lifeline, Limits, RootFs, Sandbox};
use sandbox_tunnel::{
    Auth, Create, ErrorKind, ExecRequest, Exit, HostKey, PrivateKey, SshClient, SshConfig, TerminalSize, keys,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::harness::{eventually, noise, run, skipped, stdout, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("inside_commands_run_as_the_user", identity),
        trial("inside_a_timeout_reaches_what_escaped", timeout),
        trial("inside_files_are_the_users", files),
        trial("inside_a_terminal_is_the_users", terminal),
        trial(
            "the_sandbox_ends_at_its_deadline_with_and_without_connections",
            deadline,
        ),
        trial("the_sandbox_ends_with_its_lifeline_unless_released", lifeline),
        trial("an_idle_agent_sleeps_and_wakes_again", idle),
    ]
}

struct Fixture {
    directory: tempfile::TempDir,
    host_key: PrivateKey,
    control_key: Arc<PrivateKey>,
    sandbox: Sandbox,
    lifeline: Option<Lifeline>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Fixture {
    /// Launches a sandbox, or says why this host has none.
    async fn launch(expires_at: u64) -> Option<Self> {
        let host = match Host::probe() {
            Ok(host) => host,
            Err(error) => {
                skipped(&error.to_string());
                return None;
            }
        };
        let directory = tempfile::tempdir().unwrap();
        let (host_key, control_key) = (keys::generate().unwrap(), Arc::new(keys::generate().unwrap()));
        let config = AgentConfig {
            host_key: host_key.to_openssh(Default::default()).unwrap().to_string(),
            control_key: control_key.public_key().to_openssh().unwrap(),
            session_key: None,
            expires_at,
            limits: AgentLimits::default(),
            environment: Vec::new(),
            working_dir: None,
        };
        let listener = UnixListener::bind(directory.path().join("ssh")).unwrap();
        let payload = serde_json::to_vec(&config).unwrap();
        let name = format!("agent-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let launched = tokio::task::spawn_blocking(move || {
            host.launch(LaunchSpec {
                name: &name,
                program: Path::new("/proc/self/exe"),
                limits: Limits {
                    memory_bytes: 256 << 20,
                    disk_bytes: 128 << 20,
                    pids: 64,
                    cpu_millis: 2000,
                    open_files: 1024,
                },
                rootfs: RootFs::HostUsr { extra: vec![] },
                listener: listener.as_fd(),
                payload: &payload,
            })
        });
        let Launched { sandbox, lifeline } = launched.await.unwrap().unwrap();
        Some(Self {
            directory,
            host_key,
            control_key,
            sandbox,
            lifeline: Some(lifeline),
        })
    }

    /// Bytes of the agent's own memory.
    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.sandbox.handle().pid());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .unwrap();
        let kibibytes: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
        kibibytes << 10
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("ssh")
    }

    async fn connect(&self, auth: Auth) -> SshClient {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        let config = SshConfig::new(
            "sandbox",
            auth,
            HostKey::Pinned(self.host_key.public_key().clone()),
        );
        SshClient::connect(stream, &config).await.unwrap()
    }

    async fn control(&self) -> SshClient {
        self.connect(Auth::Key(Arc::clone(&self.control_key))).await
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.sandbox.destroy().unwrap();
    }
}

async fn identity() {
    let Some(fixture) = Fixture::launch(now() + 600).await else {
        return;
    };
    let client = fixture.connect(Auth::None).await;
    assert_eq!(
        stdout(&client, "id -u; id -g; pwd; echo $HOME").await,
        "1000\n1000\n/workspace\n/home/sandbox\n"
    );
    assert_eq!(
        stdout(&client, "touch /workspace/x /home/sandbox/x /tmp/x && echo made").await,
        "made\n"
    );
    // Refused, or ignored where the user of the sandbox is that of PID 1.
    run(&client, "kill -9 1").await;
    assert_eq!(stdout(&client, "echo alive").await, "alive\n");
    // Orphans are reaped: nothing stays behind as a zombie.
    run(&client, "for n in 1 2 3 4 5; do (setsid true &) ; done").await;
    let zombies = "sleep 0.5; grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
    assert_eq!(stdout(&client, zombies).await, "0\n");
}

async fn timeout() {
    let Some(fixture) = Fixture::launch(now() + 600).await else {
        return;
    };
    let client = fixture.control().await;
    let escape = "(setsid sh -c 'setsid sleep 600 & exit' &) ; sleep 600";
    let output = client
        .run(ExecRequest::command(escape).env(TIMEOUT_VARIABLE, "1000"))
        .await
        .unwrap();
    assert!(matches!(output.exit, Exit::Signal { message, .. } if message == "timeout"));
    let mut left = String::new();
    for _ in 0..100 {
        left = stdout(&client, "grep -lx sleep /proc/[0-9]*/comm 2> /dev/null; true").await;
        if left.is_empty() {
            return;
        }
    }
    panic!("left: {left}");
}

async fn files() {
    let Some(fixture) = Fixture::launch(now() + 600).await else {
        return;
    };
    let client = fixture.control().await;
    let sftp = client.sftp().await.unwrap();
    let bytes = noise(3 << 20);
    let mut file = sftp.create("data", Create::New).await.unwrap();
    file.write_all(&bytes).await.unwrap();
    file.shutdown().await.unwrap();
    let mut back = Vec::new();
    sftp.open("/workspace/data")
        .await
        .unwrap()
        .read_to_end(&mut back)
        .await
        .unwrap();
    assert!(back == bytes);
    assert_eq!(
        stdout(&client, "stat -c %u:%g /workspace/data").await,
        "1000:1000\n"
    );
    run(
        &client,
        "ln -s /proc/1/root/etc/shadow a; ln -s /proc/1/environ b; ln -s /proc/1/fd/0 c",
    )
    .await;
    for link in ["a", "b", "c", "/etc/shadow", "/proc/1/mem"] {
        assert!(sftp.open(link).await.is_err(), "{link} was opened");
    }
    let error = sftp.create("/usr/x", Create::New).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    // A file larger than the disk fails, and does not take the server with it.
    let mut file = sftp.create("large", Create::New).await.unwrap();
    let piece = vec![1; 1 << 20];
    let mut failed = false;
    for _ in 0..200 {
        failed |= file.write_all(&piece).await.is_err();
    }
    assert!(failed || file.shutdown().await.is_err(), "200 MiB went into 128");
    sftp.remove_file("large").await.unwrap();
}

async fn terminal() {
    let Some(fixture) = Fixture::launch(now() + 600).await else {
        return;
    };
    let client = fixture.connect(Auth::None).await;
    let size = TerminalSize {
        columns: 90,
        rows: 20,
    };
    let request = ExecRequest::command("stty size; stat -c %u $(tty); test -t 0 && echo terminal");
    let output = client.run(request.terminal("xterm", size)).await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "20 90\r\n1000\r\nterminal\r\n"
    );
}

async fn deadline() {
    let Some(unused) = Fixture::launch(now() + 2).await else {
        return;
    };
    let Some(used) = Fixture::launch(now() + 2).await else {
        return;
    };
    let client = used.connect(Auth::None).await;
    let _exec = client.exec(ExecRequest::command("sleep 600")).await.unwrap();
    assert!(unused.sandbox.is_alive() && used.sandbox.is_alive());
    eventually("both have ended", || {
        !unused.sandbox.is_alive() && !used.sandbox.is_alive()
    })
    .await;
    eventually("the connection has ended", || client.is_closed()).await;
}

async fn lifeline() {
    let Some(mut given_up) = Fixture::launch(now() + 600).await else {
        return;
    };
    let Some(mut connected) = Fixture::launch(now() + 600).await else {
        return;
    };
    let Some(mut released) = Fixture::launch(now() + 600).await else {
        return;
    };
    let _client = connected.connect(Auth::None).await;
    drop((given_up.lifeline.take(), connected.lifeline.take()));
    eventually("both have ended", || {
        !given_up.sandbox.is_alive() && !connected.sandbox.is_alive()
    })
    .await;
    released.lifeline.take().unwrap().release().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        stdout(&released.connect(Auth::None).await, "echo alive").await,
        "alive\n"
    );
}

async fn idle() {
    let Some(fixture) = Fixture::launch(now() + 600).await else {
        return;
    };
    let fresh = fixture.memory();
    for round in 0..3 {
        let client = fixture.connect(Auth::None).await;
        let much = client
            .run(ExecRequest::command("head -c 8000000 /dev/zero"))
            .await
            .unwrap();
        assert_eq!(much.stdout.len(), 8_000_000);
        assert_eq!(
            stdout(&client, "echo $(( 6 * 7 ))").await,
            "42\n",
            "round {round}"
        );
        client.disconnect().await;
        // Longer than the agent takes to go back to sleep.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        eventually("it keeps little of what it was used for", || {
            fixture.memory() < fresh + (1 << 20)
        })
        .await;
    }
}

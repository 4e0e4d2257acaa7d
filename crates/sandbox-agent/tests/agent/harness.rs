//! An agent to test, and connections to it.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use sandbox_agent::{Agent, AgentConfig, AgentLimits, Place};
use sandbox_isolation::Processes;
use sandbox_tunnel::{Auth, Error, ExecOutput, ExecRequest, HostKey, PrivateKey, SshClient, SshConfig, keys};
use tokio::{
    net::{UnixListener, UnixStream},
    runtime,
    sync::oneshot,
    time::{sleep, timeout},
};

/// Far more than any test takes on a busy machine. A test that reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs an async test on a runtime of its own.
pub(crate) fn trial<F>(name: &'static str, test: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let finished = runtime.block_on(async { timeout(DEADLINE, test()).await.is_ok() });
            runtime.shutdown_background();
            finished
        }));
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failed::from("the test did not end in time")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Err(Failed::from(text.unwrap_or_default()))
            }
        }
    })
}

/// Says that this host lacks what a test needs.
#[expect(clippy::print_stderr, reason = "this is where people look for it")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// As [`skipped`] for a program that tests are about. In CI it has to be there: nobody reads there what was skipped.
pub(crate) fn not_installed(program: &str) {
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "{program} is not installed, and CI tests all");
    skipped(&format!("{program} is not installed"));
}

/// An agent that serves until it is dropped.
pub(crate) struct TestAgent {
    directory: tempfile::TempDir,
    pub(crate) control_key: Arc<PrivateKey>,
    pub(crate) host_key: PrivateKey,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl TestAgent {
    pub(crate) fn start() -> Self {
        Self::configured(None, AgentLimits::default())
    }

    pub(crate) fn configured(session_key: Option<&PrivateKey>, limits: AgentLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let control_key = Arc::new(keys::generate().unwrap());
        let host_key = keys::generate().unwrap();
        let config = AgentConfig {
            host_key: host_key.to_openssh(Default::default()).unwrap().to_string(),
            control_key: control_key.public_key().to_openssh().unwrap(),
            session_key: session_key.map(|key| key.public_key().to_openssh().unwrap()),
            expires_at: u64::MAX,
            limits,
            environment: Vec::new(),
            working_dir: None,
        };
        let place = Place {
            workspace: directory.path().join("workspace"),
            home: directory.path().to_owned(),
            working_dir: None,
            environment: Vec::new(),
        };
        std::fs::create_dir(&place.workspace).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(directory.path().join("ssh")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        // As in a sandbox: one thread, which nothing may block.
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let agent = Arc::new(Agent::new(&config, Processes::unconfined().unwrap(), place).unwrap());
                let listener = UnixListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    ended = agent.serve_until_idle(listener, || true) => panic!("the agent ended: {ended:?}"),
                }
            });
        });
        Self {
            directory,
            control_key,
            host_key,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.directory.path().join("workspace")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("ssh")
    }

    pub(crate) async fn stream(&self) -> UnixStream {
        UnixStream::connect(self.socket()).await.unwrap()
    }

    pub(crate) fn config(&self, auth: Auth) -> SshConfig {
        SshConfig::new(
            "sandbox",
            auth,
            HostKey::Pinned(self.host_key.public_key().clone()),
        )
    }

    pub(crate) async fn connect_with(&self, config: &SshConfig) -> Result<SshClient, Error> {
        SshClient::connect(self.stream().await, config).await
    }

    /// A connection of the server.
    pub(crate) async fn control(&self) -> SshClient {
        self.connect_with(&self.config(Auth::Key(Arc::clone(&self.control_key))))
            .await
            .unwrap()
    }

    /// A connection of somebody without a key.
    pub(crate) async fn user(&self) -> SshClient {
        self.connect_with(&self.config(Auth::None)).await.unwrap()
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the agent panicked");
        }
    }
}

pub(crate) async fn run(client: &SshClient, command: &str) -> ExecOutput {
    client
        .run(ExecRequest::command(command.to_owned()))
        .await
        .unwrap()
}

pub(crate) async fn stdout(client: &SshClient, command: &str) -> String {
    String::from_utf8(run(client, command).await.stdout).unwrap()
}

/// Whether a process lives (a zombie does not).
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

/// Waits for something that happens soon, or never.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Waits for a file with a whole line in it, and gives that.
pub(crate) async fn line_of(path: PathBuf) -> String {
    let read = || {
        std::fs::read_to_string(&path)
            .ok()
            .filter(|text| text.ends_with('\n'))
    };
    eventually(&format!("a line in {}", path.display()), || read().is_some()).await;
    read().unwrap().trim().to_owned()
}

/// Bytes without a pattern that a mistake in order would keep.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

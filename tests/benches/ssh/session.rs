//! Our side: a server in this process, a session, and the SDK.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::{NonZero, NonZeroU32};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use sandbox_server::{Lifetime, Limits, Server, ServerConfig, Tokens};
use sandbox_sessions::{Session, SessionsClient};
use secrecy::ExposeSecret;
use tokio::runtime::Runtime;

use crate::bytes::Direction;
use crate::samples::{self, Samples};
use crate::timed;

const WORKSPACE: &str = "/workspace";
/// Nobody bounds what OpenSSH may use either.
const ALL_PROCESSORS: u32 = 64_000;

pub(crate) struct Hosted {
    /// The client's, as in the command line.
    runtime: Runtime,
    /// The server's, as in `sandbox serve`.
    hosting: Runtime,
    server: Server,
    session: Session,
    token: String,
}

impl Hosted {
    pub(crate) fn start() -> Self {
        Self::start_with(Path::new("/proc/self/exe"))
    }

    /// A session whose first process is this program.
    pub(crate) fn start_with(program: &Path) -> Self {
        let (runtime, hosting) = (runtime(), runtime());
        let token = Tokens::generate();
        let limits = Limits {
            memory_bytes: 2 << 30,
            disk_bytes: 1 << 30,
            cpu_millis: ALL_PROCESSORS,
            ..Limits::default()
        };
        let config = ServerConfig::new(token.tokens(), ServerConfig::ephemeral_state_dir())
            .lifetime(Lifetime::Ephemeral)
            .rate_limit(NonZeroU32::MAX)
            .limits(limits)
            .program(program);
        let server = hosting.block_on(Server::start(config)).expect("a server");
        let token = token.secret().expose_secret().to_owned();
        let client = SessionsClient::new(server.url(), token.as_str()).expect("a client");
        let session = runtime.block_on(async { client.create_session().await.expect("a session") });
        Self {
            runtime,
            hosting,
            server,
            session,
            token,
        }
    }

    pub(crate) fn stop(self) {
        self.runtime
            .block_on(async { self.session.delete().await.expect("it is deleted") });
        self.hosting.block_on(self.server.shutdown());
    }

    /// How long it takes to connect and copy one sample.
    pub(crate) fn copy(&self, samples: &Samples, direction: Direction, name: &str) -> Duration {
        let (here, there) = (samples.path(name), format!("{WORKSPACE}/{name}"));
        let fetched = samples.path("fetched");
        match direction {
            Direction::Up => self.run(&format!("rm -rf {there}")),
            Direction::Down => samples::remove(&fetched),
        }
        let (time, ()) = timed(|| {
            self.runtime.block_on(async {
                let ssh = self.session.ssh().await.expect("a connection");
                let copied = match direction {
                    Direction::Up => ssh.upload(&here, &there).await,
                    Direction::Down => ssh.download(&there, &fetched).await,
                };
                copied.expect("it is copied");
            });
        });
        // What went up is compared when it comes down.
        if direction == Direction::Down && samples.is_first(format!("ours {name}")) {
            samples.compare(name, &fetched);
        }
        time
    }

    pub(crate) fn connect_and_run_true(&self) -> Duration {
        let (time, exit_code) = timed(|| {
            self.runtime.block_on(async {
                let ssh = self.session.ssh().await.expect("a connection");
                ssh.run_command("true").await.expect("it runs").exit_code()
            })
        });
        assert_eq!(exit_code, Some(0));
        time
    }

    /// A tunnel as it is: the bytes that follow are the far end's.
    pub(crate) fn tunnel(&self) -> TcpStream {
        let authority = self.server.url().trim_start_matches("http://");
        let (authority, base) = authority.split_once('/').expect("a path");
        let target = format!("/{base}/sessions/{}", self.session.id());
        let mut tunnel = TcpStream::connect(authority).expect("a connection");
        let request = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        );
        tunnel.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            tunnel.read_exact(&mut byte).expect("an answer");
            answer.extend(byte);
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        tunnel
    }

    fn run(&self, command: &str) {
        let result = self
            .runtime
            .block_on(async { self.session.run_command(command).await });
        assert_eq!(result.expect("it runs").exit_code(), Some(0));
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads((available_parallelism().map_or(1, NonZero::get) / 2).max(1))
        .enable_all()
        .build()
        .expect("a runtime")
}

//! A real server in this process, and things planted on its host for sessions to look for.

use std::io::Write;
use std::net::TcpListener;
use std::ops::Deref;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::time::Duration;

use contract_tests::images;
use sandbox_images::Images;
use sandbox_server::{ImageStore, Tokens};
use sandbox_sessions::{CommandResult, Language, Session, SessionsClient};
use tempfile::TempDir;

/// Long enough for the slowest machine; nothing here waits for it when all is well.
const CODE_TIMEOUT: Duration = Duration::from_secs(120);

/// An image with Python, where images can be made.
pub(crate) const IMAGE: &str = "python:probes";

pub(crate) struct House {
    house: contract_tests::House,
    client: SessionsClient,
    planted: Planted,
    _store: TempDir,
}

/// What a session must not find.
struct Planted {
    /// Readable by everybody on the host.
    canary: PathBuf,
    token: String,
    port: u16,
    abstract_socket: String,
    _directory: tempfile::TempDir,
    _listeners: (TcpListener, UnixListener),
}

impl House {
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub(crate) fn start() -> Result<Self, sandbox_server::Error> {
        let planted = Planted::new();
        let tokens = Tokens::from_lines(&planted.token).expect("the token is valid");
        let store = tempfile::tempdir().expect("a directory");
        let house = contract_tests::House::start(tokens, |config| {
            config.limits(limits()).images(ImageStore::new(store.path()))
        })?;
        if images::can_be_made() {
            let layout = images::make(images::python, &[]);
            let name = IMAGE.parse().expect("a name");
            Images::open(store.path(), None)
                .and_then(|images| images.import(layout.path(), &name))
                .expect("an image");
        }
        Ok(Self {
            client: house.client(&planted.token),
            house,
            planted,
            _store: store,
        })
    }

    pub(crate) fn stop(self) {
        self.house.stop();
    }

    pub(crate) async fn session(&self) -> Session {
        self.client.create_session().await.expect("a session")
    }

    /// Runs code in a session of its own.
    pub(crate) fn run(&self, image: &str, language: Language, code: &str) -> CommandResult {
        self.runtime().block_on(async {
            let session = self
                .client
                .create_session()
                .image(image)
                .await
                .expect("a session");
            let result = run(&session, language, code).await;
            session.delete().await.expect("the session is deleted");
            result
        })
    }

    /// Definitions of what probes look for, as Python.
    pub(crate) fn constants(&self) -> String {
        let planted = &self.planted;
        let (head, tail) = planted.token.split_at(planted.token.len() / 2);
        [
            format!("HOST_CANARY = {:?}", planted.canary.display().to_string()),
            format!("STATE_DIRECTORY = {:?}", self.state().display().to_string()),
            format!("HOST_PID = {}", std::process::id()),
            format!("HOST_PORT = {}", planted.port),
            format!("HOST_ABSTRACT_SOCKET = {:?}", planted.abstract_socket),
            format!("TOKEN_HEAD, TOKEN_TAIL = {head:?}, {tail:?}\n"),
        ]
        .join("\n")
    }
}

impl Deref for House {
    type Target = contract_tests::House;

    fn deref(&self) -> &Self::Target {
        &self.house
    }
}

pub(crate) async fn run(session: &Session, language: Language, code: &str) -> CommandResult {
    session
        .run_code(code)
        .language(language)
        .timeout(CODE_TIMEOUT)
        .await
        .expect("the code is run")
}

impl Planted {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("its mode");
        let canary = directory.path().join("canary");
        std::fs::File::create(&canary)
            .and_then(|mut file| file.write_all(b"host"))
            .expect("a file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let abstract_socket = format!("sandbox-probe-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_socket).expect("a name");
        Self {
            canary,
            token: format!("probe-token-{:032x}", std::process::id()),
            port: listener.local_addr().expect("an address").port(),
            _listeners: (
                listener,
                UnixListener::bind_addr(&address).expect("an abstract socket"),
            ),
            abstract_socket,
            _directory: directory,
        }
    }
}

/// Small, so that what fills them fills them soon.
fn limits() -> sandbox_server::Limits {
    sandbox_server::Limits {
        memory_bytes: 256 << 20,
        disk_bytes: 64 << 20,
        pids: 64,
        ..sandbox_server::Limits::default()
    }
}

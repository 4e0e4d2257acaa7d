//! A real server with a store of images.

use std::ops::Deref;
use std::path::Path;

use contract_tests::images;
use sandbox_images::{ImageName, Images};
use sandbox_server::{ImageStore, Tokens};
use sandbox_sessions::{CommandResult, Error, Session, SessionsClient};
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// As many as the trials have at the same time, at most.
pub(crate) const SESSIONS: usize = 100;

pub(crate) struct House {
    house: contract_tests::House,
    client: SessionsClient,
    images: Images,
    _store: TempDir,
}

impl House {
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub(crate) fn start() -> Result<Self, sandbox_server::Error> {
        let token = Tokens::generate();
        let store = tempfile::tempdir().expect("a directory");
        let config = ImageStore::new(store.path());
        let house = contract_tests::House::start(token.tokens(), |server| {
            server.images(config).max_sessions_per_owner(2 * SESSIONS)
        })?;
        let images = Images::open(store.path(), None).expect("a store");
        Ok(Self {
            client: house.client(token.secret().expose_secret()),
            house,
            images,
            _store: store,
        })
    }

    pub(crate) fn stop(self) {
        self.house.stop();
    }

    /// Puts an image into the store.
    pub(crate) fn import(&self, name: &str, fill: fn(&Path), config: &[&str]) {
        let layout = images::make(fill, config);
        let name: ImageName = name.parse().unwrap();
        self.images.import(layout.path(), &name).unwrap();
    }

    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    pub(crate) async fn create(&self, image: &str) -> Result<Session, Error> {
        self.client.create_session().image(image).await
    }

    pub(crate) async fn session(&self, image: &str) -> Session {
        self.create(image).await.expect("a session")
    }
}

impl Deref for House {
    type Target = contract_tests::House;

    fn deref(&self) -> &Self::Target {
        &self.house
    }
}

/// Runs a command that succeeds, and answers its output.
pub(crate) async fn output(session: &Session, command: &str) -> String {
    let result: CommandResult = session.run_command(command).await.expect("it is run");
    assert_eq!(result.exit_code(), Some(0), "{command}: {}", result.stderr());
    result.stdout().to_owned()
}

/// The content of a file, over HTTP.
pub(crate) async fn read(session: &Session, path: &str) -> String {
    let download = session.download_file(path).await.expect("it is there");
    let bytes = download.bytes(1 << 20).await.expect("its content");
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

//! The place where one server after the other is killed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract_tests::{Player, ServerProcess, traces};
use libtest_mimic::{Failed, Trial};
use rustix::process::{Pid, Signal, kill_process, set_child_subreaper};
use sandbox_sessions::SessionsClient;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::load;

pub(crate) const SERVER: &str = "server";

/// What the trials share. They take turns: each looks at everything that this process has started.
pub(crate) struct Stage {
    runtime: Runtime,
    turn: Mutex<()>,
    pub(crate) can_pause: bool,
}

impl Stage {
    /// # Errors
    /// When the host cannot make sandboxes at all.
    pub(crate) fn set() -> Result<Self, String> {
        // Whatever a killed server has started is then a child of this process, and can be found.
        set_child_subreaper(Some(rustix::process::getpid())).expect("any process may be one");
        let runtime = Runtime::new().expect("a runtime");
        let mut scene = Scene::open()?;
        let can_pause = runtime.block_on(async {
            let mut session = scene.client().create_session().await.expect("a session");
            let paused = session.pause().await;
            session.delete().await.expect("it is deleted");
            paused.is_ok()
        });
        scene.kill();
        Ok(Self {
            runtime,
            turn: Mutex::default(),
            can_pause,
        })
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trial that has the stage for itself.
pub(crate) fn trial<F: Future<Output = ()>>(
    stage: &Arc<Stage>,
    name: &str,
    test: impl FnOnce(Arc<Stage>) -> F + Send + 'static,
) -> Trial {
    let stage = stage.clone();
    Trial::test(name, move || {
        let _turn = stage.turn();
        stage.runtime.block_on(test(stage.clone()));
        Ok::<_, Failed>(())
    })
}

/// One state directory, and the servers on it. Dropping it ends all that they have started.
pub(crate) struct Scene {
    server: Option<ServerProcess>,
    state: Option<TempDir>,
    /// The numbers that servers had.
    pub(crate) servers: BTreeSet<u32>,
    /// The sessions of which the directory was there when a server was killed.
    pub(crate) found: BTreeSet<String>,
}

impl Scene {
    /// With a server.
    ///
    /// # Errors
    /// When it cannot serve: its own words.
    pub(crate) fn open() -> Result<Self, String> {
        let mut scene = Self {
            server: None,
            state: Some(tempfile::tempdir().expect("a directory")),
            servers: BTreeSet::new(),
            found: BTreeSet::new(),
        };
        scene.start()?;
        Ok(scene)
    }

    /// Starts the next server.
    ///
    /// # Errors
    /// When it cannot serve: its own words.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        let state = self.state.take().expect("no server runs");
        let server = ServerProcess::start_on(SERVER, state)?;
        self.servers.insert(server.process().0);
        self.server = Some(server);
        Ok(())
    }

    /// Starts a server that does not live long enough to serve, perhaps.
    pub(crate) async fn start_in_vain(&mut self, life: std::time::Duration) {
        let state = self.state.as_ref().expect("no server runs");
        let player = Player::start(SERVER, &[state.path().to_str().expect("text")]);
        self.servers.insert(player.process().0);
        tokio::time::sleep(life).await;
        player.kill();
    }

    pub(crate) fn kill(&mut self) {
        let state = self.server.take().expect("a server runs").kill();
        self.state = Some(state);
        self.found.extend(self.directories());
    }

    pub(crate) fn url(&self) -> &str {
        self.server.as_ref().expect("a server runs").url()
    }

    pub(crate) fn client(&self) -> SessionsClient {
        load::client(self.url())
    }

    /// The server that runs.
    pub(crate) fn server(&self) -> Option<u32> {
        self.server.as_ref().map(|server| server.process().0)
    }

    pub(crate) fn state(&self) -> PathBuf {
        let running = self.server.as_ref().map(ServerProcess::state);
        let path = running.or(self.state.as_ref().map(TempDir::path));
        path.expect("a directory").to_owned()
    }

    pub(crate) fn session(&self, id: &str) -> PathBuf {
        self.state().join("sessions").join(id)
    }

    /// The names of what there are directories of.
    pub(crate) fn directories(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.state().join("sessions"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The first process of a session's sandbox, as its record names it.
    pub(crate) fn first_process(&self, id: &str) -> Option<u32> {
        let record = std::fs::read(self.session(id).join("record.json")).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&record).ok()?;
        record["sandbox"]["pid"].as_u64()?.try_into().ok()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.server.take());
        for found in traces::descendants(std::process::id()) {
            if let Some(pid) = i32::try_from(found.pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

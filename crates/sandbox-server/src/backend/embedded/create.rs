//! Making a session.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use sandbox_agent::{AgentConfig, AgentLimits};
use sandbox_images::Leased;
use sandbox_isolation::{LaunchSpec, Launched, Lifeline, RootFs};

use super::live::Live;
use super::session_dir::{SessionDir, Stored};
use super::{
    Access, Created, Error, ErrorKind, Event, HOST_IMAGE, Inner, Lifetime, Record, Result, Revision,
    SessionId, Spec, State,
};

impl Inner {
    pub(super) async fn create(self: Arc<Self>, id: SessionId, spec: Spec) -> Result<Created> {
        let guard = self.locks.lock(id).await;
        if let Ok(live) = self.find(id) {
            live.claim();
            return Ok(Created::Existing(live.record()));
        }
        let image = self.image(&spec.image.reference).await?;
        let _permit = self
            .making
            .acquire()
            .await
            .map_err(|error| failed("too late", error))?;
        let inner = self.clone();
        let live = Arc::new(super::blocking(move || inner.make(id, &spec, image)).await?);
        let record = live.record();
        if let Err(error) = live.clone().install(&self) {
            self.remove(&live, super::Removal::Died, guard).await?;
            return Err(error);
        }
        self.announce(Event::Upsert(Box::new(record.clone())));
        Ok(Created::New(record))
    }

    /// Makes the directory and the sandbox, or neither. Blocking.
    fn make(&self, id: SessionId, spec: &Spec, image: Option<Leased>) -> Result<Live> {
        // A removal that failed half-way may have left something of that name.
        let dir = self.state.session(id);
        dir.remove()
            .and_then(|()| self.state.create(id))
            .map_err(|error| failed("cannot make its directory", error))?;
        self.fill(id, spec, image.as_ref(), &dir).inspect_err(|_| {
            if let Err(error) = dir.remove() {
                tracing::warn!(session = %id, %error, "the directory of a failed session is left behind");
            }
        })
    }

    /// What of OCI images the sandbox is made from, kept for it; `None` for this machine's own programs.
    async fn image(&self, reference: &str) -> Result<Option<Leased>> {
        if reference == HOST_IMAGE {
            return Ok(None);
        }
        match &self.images {
            Some(images) => images.lease(reference).await.map(Some),
            None => {
                let message = format!("there is no image {reference:?}, only {HOST_IMAGE:?}");
                Err(Error::new(ErrorKind::ImageNotFound, message))
            }
        }
    }

    fn fill(&self, id: SessionId, spec: &Spec, image: Option<&Leased>, dir: &SessionDir) -> Result<Live> {
        let control = new_key()?;
        let host = new_key()?;
        let record = new_record(id, spec, &host)?;
        let deadline = record.expires_at;
        dir.write_control_key(&control)
            .map_err(|error| failed("cannot write its key", error))?;

        let agent = agent_config(spec, image, &host, &control, deadline)?;
        let Launched { sandbox, lifeline } = self.launch(id, image, dir, &agent)?;
        let stored = Stored {
            record: record.clone(),
            deadline,
            sandbox: sandbox.handle().clone(),
        };
        match self.keep(dir, &stored, lifeline) {
            Ok(lifeline) => {
                let host = host.public_key().clone();
                Ok(Live::made(
                    sandbox,
                    Access { control, host },
                    lifeline,
                    deadline,
                    record,
                ))
            }
            Err(error) => {
                if let Err(error) = sandbox.destroy() {
                    tracing::warn!(session = %id, error = &error as &dyn std::error::Error, "cannot end a sandbox");
                }
                Err(failed("cannot keep its record", error))
            }
        }
    }

    /// Writes down what a next server needs, and then lets go of the sandbox, unless it is to end with this server.
    ///
    /// The record gets its name last. Without a name it tells a next server of a sandbox nobody was told of, and which
    /// may be about to end: were it taken for a session, a repeated request might be answered with it.
    fn keep(&self, dir: &SessionDir, stored: &Stored, lifeline: Lifeline) -> io::Result<Option<Lifeline>> {
        dir.prepare(stored, self.durability())?;
        let held = match self.lifetime {
            Lifetime::Persistent => lifeline.release().map(|()| None)?,
            Lifetime::Ephemeral => Some(lifeline),
        };
        dir.commit(self.durability())?;
        Ok(held)
    }

    fn launch(
        &self,
        id: SessionId,
        image: Option<&Leased>,
        dir: &SessionDir,
        agent: &AgentConfig,
    ) -> Result<Launched> {
        let payload =
            serde_json::to_vec(agent).map_err(|error| failed("cannot describe its agent", error))?;
        // The agent gets the only copy of the listener: when it ends, connections are refused.
        let listener = dir
            .listen()
            .map_err(|error| failed("cannot listen for it", error))?;
        self.host
            .launch(LaunchSpec {
                name: &id.to_string(),
                program: &self.program,
                limits: self.limits,
                rootfs: match image {
                    None => RootFs::HostUsr {
                        extra: self.shared_paths.clone(),
                    },
                    Some(image) => RootFs::Image {
                        tree: image.tree.clone(),
                        lease: image.lease.as_fd(),
                    },
                },
                listener: listener.as_fd(),
                payload: &payload,
            })
            .map_err(|error| failed("cannot start its sandbox", error))
    }
}

fn new_record(id: SessionId, spec: &Spec, host: &PrivateKey) -> Result<Record> {
    let created_at = Utc::now().trunc_subsecs(3);
    let expires_at = TimeDelta::from_std(spec.ttl)
        .ok()
        .and_then(|ttl| created_at.checked_add_signed(ttl))
        .ok_or_else(|| Error::new(ErrorKind::CreateFailed, "the session would live for ever"))?;
    Ok(Record {
        id,
        owner: spec.owner.clone(),
        image: spec.image.clone(),
        metadata: spec.metadata.clone(),
        ssh_public_key: spec.ssh_public_key.clone(),
        ssh_host_key: public_line(host)?,
        request: spec.request,
        created_at,
        expires_at,
        last_activity_at: None,
        state: State::Running,
        revision: Revision::FIRST,
    })
}

fn agent_config(
    spec: &Spec,
    image: Option<&Leased>,
    host: &PrivateKey,
    control: &PrivateKey,
    deadline: DateTime<Utc>,
) -> Result<AgentConfig> {
    let pem = host
        .to_openssh(LineEnding::LF)
        .map_err(|error| failed("cannot write its keys down", error))?;
    Ok(AgentConfig {
        host_key: pem.as_str().to_owned(),
        control_key: public_line(control)?,
        session_key: spec.ssh_public_key.clone(),
        // Whole seconds, rounded up: the agent must not end before its time.
        expires_at: u64::try_from(deadline.timestamp_millis())
            .unwrap_or(0)
            .div_ceil(1000),
        limits: AgentLimits::default(),
        environment: image.map(|image| image.config.env.clone()).unwrap_or_default(),
        working_dir: image
            .and_then(|image| image.config.working_dir.as_deref())
            // What an image says that says nothing.
            .filter(|dir| !matches!(*dir, "" | "/"))
            .map(|dir| Path::new("/").join(dir)),
    })
}

fn new_key() -> Result<PrivateKey> {
    sandbox_tunnel::keys::generate().map_err(|error| failed("cannot make its keys", error))
}

fn public_line(key: &PrivateKey) -> Result<String> {
    key.public_key()
        .to_openssh()
        .map_err(|error| failed("cannot write its keys down", error))
}

fn failed(what: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(
        ErrorKind::CreateFailed,
        format!("the session could not be made: {what}"),
    )
    .with_source(source)
}

/// A session nobody has been told about. Dropping it undoes the creation.
pub(super) struct Unclaimed {
    inner: Arc<Inner>,
    created: Created,
    claimed: bool,
}

impl Unclaimed {
    pub(super) fn new(inner: Arc<Inner>, created: Created) -> Self {
        Self {
            inner,
            created,
            claimed: false,
        }
    }

    /// The caller knows about the session now.
    pub(super) fn claim(mut self) -> Created {
        self.claimed = true;
        let (Created::New(record) | Created::Existing(record)) = &self.created;
        if let Ok(live) = self.inner.find(record.id) {
            live.claim();
        }
        self.created.clone()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let (Created::New(record), false) = (&self.created, self.claimed) {
            let undone = self.inner.clone().undo(record.id);
            self.inner.runtime.spawn(undone);
        }
    }
}

impl Inner {
    async fn undo(self: Arc<Self>, id: SessionId) {
        let guard = self.locks.lock(id).await;
        let Ok(live) = self.find(id) else { return };
        // Another create of the same name may have been answered with this session meanwhile.
        if live.is_claimed() {
            return;
        }
        if let Err(error) = self.remove(&live, super::Removal::Destroyed, guard).await {
            tracing::error!(session = %id, error = &error as &dyn std::error::Error, "cannot undo a creation");
        }
    }
}

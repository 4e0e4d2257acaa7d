//! The SSH server of a sandbox.

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use russh::{
    MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex,
    keys::{PrivateKey, ssh_key},
    server,
};
use sandbox_isolation::Processes;
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use sandbox_tunnel::transport::WriteBehind;

use crate::{
    AgentConfig, AgentLimits, Place,
    connection::Connection,
    credentials::Credentials,
    flow::{Flow, MAX_PACKET, Paced, Total, WINDOW},
    memory::UNSENT,
    reaper::Reaper,
};

/// How long a peer may take to be let in.
const LOGIN_TIME: Duration = Duration::from_secs(10);

/// How long every rejected login takes, whatever was wrong with it.
const REJECTION_TIME: Duration = Duration::from_millis(300);

const LOGIN_ATTEMPTS: usize = 3;

/// Connections beyond those of users: the server's own, and those not yet let in.
const SPARE_CONNECTIONS: usize = 16;

/// Silence after which a peer is asked whether it is still there, and how often.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_ATTEMPTS: usize = 3;

/// How long [`Agent::serve_until_idle`] looks on before it believes that nothing goes on.
const IDLE_TIME: Duration = Duration::from_secs(2);

/// The SSH server of a sandbox.
///
/// [`run_if_asked`](crate::run_if_asked) runs it as PID 1. On its own it serves tests.
pub struct Agent {
    pub(crate) credentials: Credentials,
    pub(crate) limits: AgentLimits,
    pub(crate) place: Place,
    pub(crate) reaper: Reaper,
    users: AtomicUsize,
    total: Arc<Total>,
    ssh: Arc<server::Config>,
}

impl Agent {
    /// Prepares an agent.
    ///
    /// # Errors
    ///
    /// Where a key of `config` cannot be read.
    pub fn new(config: &AgentConfig, processes: Processes, place: Place) -> Result<Self, ssh_key::Error> {
        let credentials = Credentials::new(config)?;
        let host_key = PrivateKey::from_openssh(&config.host_key)?;
        let ssh = Arc::new(ssh_config(host_key, credentials.key_required()));
        Ok(Self {
            credentials,
            limits: config.limits,
            place,
            reaper: Reaper::new(processes),
            users: AtomicUsize::new(0),
            total: Arc::default(),
            ssh,
        })
    }

    /// Serves connections until there are none and `busy` says that nothing else goes on either, both for a
    /// moment.
    ///
    /// # Errors
    ///
    /// Where the end of processes cannot be learned.
    pub async fn serve_until_idle(
        self: Arc<Self>,
        listener: UnixListener,
        busy: fn() -> bool,
    ) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let mut reaping = std::pin::pin!(self.reaper.run());
        loop {
            let has_room = connections.len() < self.limits.connections + SPARE_CONNECTIONS;
            tokio::select! {
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) => { connections.spawn(Arc::clone(&self).serve(stream)); }
                    // Out of descriptors or memory: others have to go before the next can come.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                },
                Some(_) = connections.join_next() => {}
                () = sleep(IDLE_TIME), if connections.is_empty() => {
                    if !busy() {
                        return Ok(());
                    }
                }
                failed = &mut reaping => return failed,
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: UnixStream) {
        let deadline = Instant::now() + LOGIN_TIME;
        let stream = WriteBehind::with_limit(stream, UNSENT);
        let backlog = stream.backlog();
        let flow = Flow::new(Arc::clone(&self.total));
        let stream = Paced::new(stream, Arc::clone(&flow));
        let config = Arc::clone(&self.ssh);
        let connection = Connection::new(self, flow, backlog.clone());
        let welcomed = connection.welcomed();
        let Ok(Ok(mut session)) = timeout_at(deadline, server::run_stream(config, stream, connection)).await
        else {
            return;
        };
        let ended = tokio::select! {
            ended = &mut session => Some(ended),
            () = welcomed.cancelled() => None,
            () = sleep_until(deadline) => {
                backlog.cut();
                None
            }
        };
        let ended = match ended {
            Some(ended) => ended,
            None => session.await,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended");
        }
    }

    /// Takes a place among the users' connections, if there is one.
    pub(crate) fn admit_user(&self) -> bool {
        let admitted = |users| (users < self.limits.connections).then_some(users + 1);
        self.users.fetch_update(Relaxed, Relaxed, admitted).is_ok()
    }

    /// Gives it back.
    pub(crate) fn dismiss_user(&self) {
        self.users.fetch_sub(1, Relaxed);
    }
}

fn ssh_config(host_key: PrivateKey, key_required: bool) -> server::Config {
    let mut methods = MethodSet::empty();
    if !key_required {
        methods.push(MethodKind::None);
    }
    methods.push(MethodKind::PublicKey);
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-sandbox_",
            env!("CARGO_PKG_VERSION")
        ))),
        methods,
        auth_rejection_time: REJECTION_TIME,
        // Clients first ask without proof to learn the methods.
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key],
        window_size: WINDOW,
        maximum_packet_size: MAX_PACKET,
        // Nobody receives from it: input goes through the handler, see `connection.rs`.
        channel_buffer_size: 1,
        preferred: preferred(),
        max_auth_attempts: LOGIN_ATTEMPTS,
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVE_ATTEMPTS,
        ..server::Config::default()
    }
}

/// Few algorithms, all of them good: every client of the last ten years has one of each.
fn preferred() -> Preferred {
    const KEX: &[kex::Name] = &[
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::MLKEM768X25519_SHA256,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    const CIPHERS: &[cipher::Name] = &[
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
    ];
    Preferred {
        kex: Cow::Borrowed(KEX),
        cipher: Cow::Borrowed(CIPHERS),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::default()
    }
}

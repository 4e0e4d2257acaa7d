//! What one SSH connection asks for.
//!
//! Everything here runs in the session loop of the connection, which also carries the window adjustments,
//! closes and keepalives of all its channels: nothing may wait for a program or for the peer. For the same
//! reason the reading half of every channel is dropped at once, so that russh's own bounded queue into it
//! fails instead of waiting; input comes through [`Handler::data`].

use std::{collections::HashMap, sync::Arc};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, Pty, Sig,
    server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey},
};
use sandbox_tunnel::transport::Backlog;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    agent::Agent,
    credentials::Identity,
    exec::{self, Preparation, Running, What},
    flow::{Counted, Flow},
    forward::{Forwarding, Target},
    memory,
    outlet::Outlet,
    terminal::{Size, TerminalRequest},
};

/// How many more channels than a user's a connection of the server may have: it serves all of a session's
/// requests.
const CONTROL_FACTOR: usize = 10;

/// One connection, and what its channels are.
pub(crate) struct Connection {
    agent: Arc<Agent>,
    flow: Arc<Flow>,
    backlog: Backlog,
    identity: Option<Identity>,
    welcomed: CancellationToken,
    channels: HashMap<ChannelId, Open>,
    /// How many there have been.
    channels_opened: usize,
}

/// An open channel.
struct Open {
    outlet: Arc<Outlet>,
    state: State,
    /// Tells whatever serves the channel that the peer is gone.
    hangup: DropGuard,
}

enum State {
    Preparing(Preparation),
    Running(Running),
    Forwarding(Forwarding),
}

impl Connection {
    pub(crate) fn new(agent: Arc<Agent>, flow: Arc<Flow>, backlog: Backlog) -> Self {
        let welcomed = CancellationToken::new();
        Self {
            agent,
            flow,
            backlog,
            identity: None,
            welcomed,
            channels: HashMap::new(),
            channels_opened: 0,
        }
    }

    /// Cancelled once the peer is let in.
    pub(crate) fn welcomed(&self) -> CancellationToken {
        self.welcomed.clone()
    }

    fn admit(&mut self, identity: Option<Identity>) -> Auth {
        match identity {
            Some(Identity::User) if !self.agent.admit_user() => Auth::reject(),
            Some(identity) => {
                self.identity = Some(identity);
                Auth::Accept
            }
            None => Auth::reject(),
        }
    }

    fn is_control(&self) -> bool {
        self.identity == Some(Identity::Control)
    }

    /// Takes a place for one more channel.
    fn count_channel(&mut self) -> Option<Counted> {
        // The library does not say when the peer acknowledges a close of ours, so ended channels are swept
        // here.
        self.channels.retain(|_, open| !open.outlet.closed.is_cancelled());
        let usual = self.agent.limits.channels_per_connection;
        let limit = if self.is_control() {
            usual.saturating_mul(CONTROL_FACTOR)
        } else {
            usual
        };
        if self.flow.channels() >= limit || self.channels_opened >= memory::CHANNELS {
            return None;
        }
        self.channels_opened += 1;
        Some(self.flow.open_channel())
    }

    fn open(&mut self, channel: Channel<Msg>, session: &Session, state: impl FnOnce(&Arc<Outlet>) -> State) {
        let id = channel.id();
        let (_, half) = channel.split();
        let closed = CancellationToken::new();
        let hangup = closed.clone().drop_guard();
        let (backlog, flow) = (self.backlog.clone(), Arc::clone(&self.flow));
        let outlet = Arc::new(Outlet {
            half,
            session: session.handle(),
            backlog,
            flow,
            held: watch::Sender::new(false),
            closed,
        });
        let state = state(&outlet);
        self.channels.insert(
            id,
            Open {
                outlet,
                state,
                hangup,
            },
        );
    }

    fn preparation(&mut self, id: ChannelId) -> Option<&mut Preparation> {
        match self.channels.get_mut(&id) {
            Some(Open {
                state: State::Preparing(preparation),
                ..
            }) => Some(preparation),
            _ => None,
        }
    }

    fn running(&self, id: ChannelId) -> Option<&Running> {
        match self.channels.get(&id) {
            Some(Open {
                state: State::Running(running),
                ..
            }) => Some(running),
            _ => None,
        }
    }

    /// Runs something on a channel on which nothing ran yet.
    fn start(&mut self, id: ChannelId, what: What<'_>, session: &mut Session) -> Result<(), russh::Error> {
        let Some(Open {
            outlet,
            state,
            hangup,
        }) = self.channels.remove(&id)
        else {
            return session.channel_failure(id);
        };
        let (state, started) = match state {
            State::Preparing(preparation) => match exec::start(&self.agent, &outlet, preparation, what) {
                Ok(running) => (State::Running(running), true),
                Err(error) => {
                    tracing::warn!(%error, "a program could not be started");
                    return session.channel_failure(id);
                }
            },
            other => (other, false),
        };
        self.channels.insert(
            id,
            Open {
                outlet,
                state,
                hangup,
            },
        );
        answer(id, started, session)
    }
}

/// Answers a request, if the peer wants an answer.
fn answer(id: ChannelId, good: bool, session: &mut Session) -> Result<(), russh::Error> {
    if good {
        session.channel_success(id)
    } else {
        session.channel_failure(id)
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        let identity = self.agent.credentials.without_proof(user);
        Ok(self.admit(identity))
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        let known = self.agent.credentials.with_key(user, offer.public_key).is_some();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let identity = self.agent.credentials.with_key(user, key.public_key);
        Ok(self.admit(identity))
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), Self::Error> {
        self.welcomed.cancel();
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(counted) = self.count_channel() else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        self.open(channel, session, |_| State::Preparing(Preparation::new(counted)));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(target) = Target::new(host, port) else {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        };
        let Some(counted) = self.count_channel() else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        self.open(channel, session, |outlet| {
            State::Forwarding(Forwarding::start(target, Arc::clone(outlet), reply, counted))
        });
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, bytes: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        match self.channels.get(&id).map(|open| &open.state) {
            Some(State::Running(running)) => running.input(bytes),
            Some(State::Forwarding(forwarding)) => forwarding.input(bytes),
            // Nothing runs there (yet), so nobody will read it.
            Some(State::Preparing(_)) | None => {}
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        match self.channels.get(&id).map(|open| &open.state) {
            Some(State::Running(running)) => running.finish_input(),
            Some(State::Forwarding(forwarding)) => forwarding.finish_input(),
            Some(State::Preparing(_)) | None => {}
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(&id);
        Ok(())
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        self.flow.window()
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let size = Size::requested(columns, rows);
        let preparation = self.preparation(id);
        let good = preparation.is_some();
        if let Some(preparation) = preparation {
            preparation.terminal = Some(TerminalRequest::new(term, size));
        }
        answer(id, good, session)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let control = self.is_control();
        let preparation = self.preparation(id);
        let good =
            preparation.is_some_and(|preparation| preparation.requested.set(name, value, control).is_ok());
        if control && !good {
            // The server has sent the command already, which must not start without this.
            self.channels.remove(&id);
        }
        answer(id, good, session)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.start(id, What::Shell, session)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(id, What::Command(line), session)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match name {
            "sftp" => self.start(id, What::Sftp, session),
            _ => session.channel_failure(id),
        }
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let size = Size::requested(columns, rows);
        let good = self.running(id).is_some_and(|running| running.resize(size));
        answer(id, good, session)
    }

    async fn signal(&mut self, id: ChannelId, signal: Sig, session: &mut Session) -> Result<(), Self::Error> {
        if let Some(open) = self.channels.get(&id)
            && open.outlet.hold_if_asked(&signal)
        {
            return session.channel_success(id);
        }
        let good = self.running(id).is_some_and(|running| running.signal(&signal));
        answer(id, good, session)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.identity == Some(Identity::User) {
            self.agent.dismiss_user();
        }
    }
}

//! Taking over what earlier servers left.

use std::sync::Arc;

use chrono::Utc;
use russh::keys::PublicKey;
use sandbox_isolation::Host;

use super::live::Live;
use super::session_dir::SessionDir;
use super::state_dir::StateDir;
use super::{Access, Error, ErrorKind, Inner, Result, SessionId};
use crate::descriptors;

/// Adopts every session that lives and has time left, and sweeps the others.
pub(super) async fn adopt_sessions(inner: &Arc<Inner>) -> Result<()> {
    let reader = inner.clone();
    let ids = super::blocking(move || {
        reader.state.session_ids().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "cannot read the state directory").with_source(error)
        })
    });
    for id in ids.await? {
        let _guard = inner.locks.lock(id).await;
        let reader = inner.clone();
        match super::blocking(move || reader.adopt(id)).await? {
            Some(live) => Arc::new(live).install(inner)?,
            None => tracing::info!(session = %id, "swept what was left of a session"),
        }
    }
    Ok(())
}

/// Clears away everything in the state directories of dead servers whose sandboxes ended with them.
pub(super) fn sweep_left(host: &Host, left: Vec<StateDir>) {
    for dir in left {
        let ids = dir.session_ids().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read the state directory of a dead server");
            Vec::new()
        });
        for id in ids {
            sweep(host, id);
        }
    }
}

impl Inner {
    /// The session of this directory, or `None` after clearing away what is left of it. Blocking.
    ///
    /// # Errors
    /// When it could not be looked at for want of descriptors: that is no reason to end it.
    fn adopt(&self, id: SessionId) -> Result<Option<Live>> {
        let live = match self.living(id) {
            Ok(live) => live,
            Err(error) if descriptors::ran_out(&*error) => {
                let message = format!("session {id} cannot be adopted: this process has too many files open");
                return Err(Error::new(ErrorKind::Unavailable, message).with_source(error));
            }
            Err(error) => {
                tracing::warn!(session = %id, error = &*error, "a session cannot be adopted");
                None
            }
        };
        match live {
            Some(live) if !live.record().is_expired(Utc::now()) => {
                self.settle(&live);
                return Ok(Some(live));
            }
            Some(expired) => {
                if let Err(error) = expired.end() {
                    tracing::warn!(session = %id, error = &error as &dyn std::error::Error, "cannot end a sandbox");
                }
            }
            None => {}
        }
        sweep(&self.host, id);
        if let Err(error) = self.state.session(id).remove() {
            tracing::warn!(session = %id, %error, "the directory of a dead session is left behind");
        }
        Ok(None)
    }

    /// Makes true what the record says of a session's state: a server may have been killed after it had switched it, and
    /// before it had written that down and told anybody.
    fn settle(&self, live: &Live) {
        let record = live.record();
        if !self.capabilities.pause {
            return;
        }
        if let Err(error) = live.switch(record.state) {
            tracing::warn!(session = %record.id, error = &error as &dyn std::error::Error, "cannot settle a session");
        }
    }

    fn living(&self, id: SessionId) -> Result<Option<Live>, Box<dyn std::error::Error + Send + Sync>> {
        let dir = self.state.session(id);
        let Some(stored) = dir.read()? else {
            self.end_unfinished(&dir)?;
            return Ok(None);
        };
        let Some(sandbox) = self.host.adopt(&stored.sandbox)? else {
            return Ok(None);
        };
        let access = Access {
            control: dir.read_control_key()?,
            host: PublicKey::from_openssh(&stored.record.ssh_host_key)?,
        };
        Ok(Some(Live::adopted(sandbox, access, stored)))
    }

    /// Ends a sandbox that may have been let go of already, and was told of to nobody.
    fn end_unfinished(&self, dir: &SessionDir) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if let Some(stored) = dir.read_prepared()?
            && let Some(sandbox) = self.host.adopt(&stored.sandbox)?
        {
            sandbox.destroy()?;
        }
        Ok(())
    }
}

fn sweep(host: &Host, id: SessionId) {
    if let Err(error) = host.sweep(&id.to_string()) {
        tracing::warn!(session = %id, error = &error as &dyn std::error::Error, "cannot sweep a dead sandbox");
    }
}

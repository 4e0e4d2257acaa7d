//! The directory of one session.
//!
//! ```text
//! record.json        what is known about it, there once its sandbox lives without the server that made it
//! record.json.new    the same before, or the next one while it is being written
//! control.key        the private key the server logs in with
//! agent.sock         where its agent listens
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use sandbox_isolation::Handle;
use serde::{Deserialize, Serialize};

use crate::backend::Record;

/// No record and no key is larger; what is, was not written by a server.
const FILE_LIMIT: u64 = 1 << 20;

/// What `record.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) record: Record,
    /// When the agent ends by itself; never later than this, whatever the record says.
    pub(super) deadline: DateTime<Utc>,
    pub(super) sandbox: Handle,
}

/// How much a record must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The end of this server, and a power cut.
    Disk,
    /// Nothing: nobody reads it after this server.
    None,
}

#[derive(Debug)]
pub(super) struct SessionDir {
    path: PathBuf,
    socket: PathBuf,
}

impl SessionDir {
    /// `socket` is another path to `path`'s `agent.sock`, short enough for a socket address.
    pub(super) fn new(path: PathBuf, socket: PathBuf) -> Self {
        Self { path, socket }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        UnixListener::bind(&self.socket)
    }

    /// `None` when the session was never finished, or by a server that wrote records differently.
    pub(super) fn read(&self) -> io::Result<Option<Stored>> {
        read_stored(&self.record())
    }

    /// What [`prepare`](Self::prepare) wrote and [`commit`](Self::commit) did not take.
    pub(super) fn read_prepared(&self) -> io::Result<Option<Stored>> {
        read_stored(&self.prepared())
    }

    /// Replaces the record; a reader sees the old one or the new one, never a part.
    pub(super) fn write(&self, stored: &Stored, durability: Durability) -> io::Result<()> {
        self.prepare(stored, durability)?;
        self.commit(durability)
    }

    /// Writes down what the record is to be.
    pub(super) fn prepare(&self, stored: &Stored, durability: Durability) -> io::Result<()> {
        let bytes = serde_json::to_vec(stored)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.prepared())?;
        file.write_all(&bytes)?;
        if durability == Durability::Disk {
            file.sync_data()?;
        }
        Ok(())
    }

    /// Makes what was prepared the record.
    pub(super) fn commit(&self, durability: Durability) -> io::Result<()> {
        fs::rename(self.prepared(), self.record())?;
        if durability == Durability::Disk {
            File::open(&self.path)?.sync_all()?;
        }
        Ok(())
    }

    fn record(&self) -> PathBuf {
        self.path.join("record.json")
    }

    fn prepared(&self) -> PathBuf {
        self.path.join("record.json.new")
    }

    pub(super) fn write_control_key(&self, key: &PrivateKey) -> io::Result<()> {
        let pem = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path.join("control.key"))?;
        file.write_all(pem.as_bytes())
    }

    pub(super) fn read_control_key(&self) -> io::Result<PrivateKey> {
        let pem = read_small(&self.path.join("control.key"))?;
        PrivateKey::from_openssh(pem).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Removes it with everything in it. Idempotent.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn read_stored(path: &Path) -> io::Result<Option<Stored>> {
    match read_small(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if read as u64 > FILE_LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than anything a server writes",
        ));
    }
    Ok(bytes)
}

//! The agent of a session, seen from outside: PID 1 of its sandbox.

use std::fs;
use std::path::{Path, PathBuf};

use sandbox_agent::memory;
use sandbox_sessions::SessionId;

use crate::Process;

/// One agent, and what it took when it was first looked at.
pub struct Agent {
    /// Its process.
    pub process: Process,
    before: u64,
}

impl Agent {
    /// To be called once the session has been used: what a program maps of itself is no news then.
    ///
    /// # Panics
    /// When the server that keeps its state there has no such session.
    pub fn of(state: &Path, session: SessionId) -> Self {
        let record = fs::read(session_directory(state, session).join("record.json")).expect("a record");
        let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
        let process = Process(record["sandbox"]["pid"].as_u64().expect("a process") as u32);
        Self {
            before: process.memory("VmRSS"),
            process,
        }
    }

    /// Asserts that it never took more than is said of connections that had so many channels at the same time.
    ///
    /// # Panics
    /// When it has taken more.
    #[track_caller]
    pub fn assert_bounded(&self, channels_of_connections: &[usize]) {
        let bound: usize = channels_of_connections
            .iter()
            .map(|&channels| {
                let sharing = if channels > 1 { memory::SHARING } else { 0 };
                memory::PER_CONNECTION + sharing + channels * memory::PER_CHANNEL
            })
            .sum();
        let taken = self.process.memory("VmHWM").saturating_sub(self.before);
        assert!(taken <= bound as u64, "the agent took {taken} bytes of {bound}");
    }
}

/// Where a server keeps what is known about a session.
///
/// # Panics
/// When it knows of none.
pub fn session_directory(state: &Path, session: SessionId) -> PathBuf {
    // Ephemeral servers each have a directory of their own in the one they are given.
    let servers = fs::read_dir(state).expect("a directory").flatten();
    let mut sessions = servers.map(|server| server.path().join(format!("sessions/{session}")));
    sessions
        .find(|directory| directory.exists())
        .expect("the session")
}

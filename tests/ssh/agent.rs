//! The agent of a session, seen from outside: PID 1 of its sandbox.

use std::fs;
use std::path::{Path, PathBuf};

use contract_tests::Process;
use sandbox_agent::memory;
use sandbox_sessions::SessionId;

/// One agent, and what it took when it was first looked at.
pub(crate) struct Agent {
    pub(crate) process: Process,
    before: u64,
}

impl Agent {
    /// To be called once the session has been used: what a program maps of itself is no news then.
    pub(crate) fn of(state: &Path, session: SessionId) -> Self {
        let record = fs::read(session_directory(state, session).join("record.json")).expect("a record");
        let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
        let process = Process(record["sandbox"]["pid"].as_u64().expect("a process") as u32);
        Self {
            before: process.memory("VmRSS"),
            process,
        }
    }

    /// Asserts that it never took more than is said of connections that had so many channels at the same time.
    #[track_caller]
    pub(crate) fn assert_bounded(&self, channels_of_connections: &[usize]) {
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
pub(crate) fn session_directory(state: &Path, session: SessionId) -> PathBuf {
    // Ephemeral servers each have a directory of their own in the one they are given.
    let servers = fs::read_dir(state).expect("a directory").flatten();
    let mut sessions = servers.map(|server| server.path().join(format!("sessions/{session}")));
    sessions
        .find(|directory| directory.exists())
        .expect("the session")
}

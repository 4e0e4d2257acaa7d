//! What a server and its sessions' agents take.

use std::fmt;
use std::fs;

use crate::Process;
use crate::traces::{self, Found};

/// What processes take at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Bytes of memory of their own.
    pub(super) memory: u64,
    /// Open files, sockets and pipes.
    pub(super) descriptors: u64,
    /// Threads.
    pub(super) threads: u64,
}

/// What a server and the agents of its sessions take at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// The server itself.
    pub(super) server: Usage,
    /// Its part of what it shares with others, all of its memory included. Nothing where that is not shown.
    pub(super) server_pss: u64,
    /// The first processes of all sandboxes, together.
    pub(super) agents: Usage,
    /// How many these are.
    pub(super) sessions: u64,
}

impl Figures {
    /// The figures of a server that runs.
    pub(super) fn of(server: Process) -> Self {
        let mut figures = Self {
            server: Usage::of(server).expect("the server runs"),
            server_pss: proportional(server),
            ..Self::default()
        };
        for agent in agents(server) {
            // One that has ended meanwhile takes nothing.
            let Some(usage) = Usage::of(agent) else { continue };
            figures.agents.memory += usage.memory;
            figures.agents.descriptors += usage.descriptors;
            figures.agents.threads += usage.threads;
            figures.sessions += 1;
        }
        figures
    }
}

impl Figures {
    /// What comes and goes as a whole.
    pub(super) fn counts(&self) -> [u64; 5] {
        [
            self.server.descriptors,
            self.server.threads,
            self.agents.descriptors,
            self.agents.threads,
            self.sessions,
        ]
    }
}

impl Usage {
    fn of(process: Process) -> Option<Self> {
        let number = process.0;
        let status = fs::read_to_string(format!("/proc/{number}/status")).ok()?;
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let open = fs::read_dir(format!("/proc/{number}/fd"));
        Some(Self {
            memory: field("RssAnon")? * 1024,
            // Of a process that may not be looked into: for how many there was room.
            descriptors: open.map_or_else(|_| field("FDSize").unwrap_or(0), |open| open.count() as u64),
            threads: field("Threads")?,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            server,
            server_pss,
            agents,
            sessions,
        } = self;
        let mebibytes = |bytes: &u64| *bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "server {:7.2} MiB (PSS {:7.2}) {:5} descriptors {:3} threads   {:4} agents {:8.2} MiB {:6} descriptors",
            mebibytes(&server.memory),
            mebibytes(server_pss),
            server.descriptors,
            server.threads,
            sessions,
            mebibytes(&agents.memory),
            agents.descriptors,
        )
    }
}

/// The first processes of a server's sandboxes.
pub(super) fn agents(server: Process) -> Vec<Process> {
    let depth = Found::look(server.0).map_or(1, |found| found.depth);
    let all = traces::processes().into_iter();
    let of_server = all.filter(|found| found.parent == server.0 && found.depth > depth && !found.is_dead);
    of_server.map(|found| Process(found.pid)).collect()
}

fn proportional(process: Process) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.0)).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

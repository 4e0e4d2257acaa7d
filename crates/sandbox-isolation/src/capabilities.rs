//! What a host can give its sandboxes.

/// What this host gives, found out once by [`Host::probe`](crate::Host::probe).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// Who the sandbox's users are on the host.
    pub identity: IdMapping,
    /// Whether [`Limits::memory_bytes`](crate::Limits) holds for the sandbox as a whole. Otherwise it holds for the
    /// data segment of each of its processes.
    pub memory_limit: bool,
    /// Whether [`Limits::pids`](crate::Limits) is enforced by a cgroup. Otherwise it is enforced per user id.
    pub pids_limit: bool,
    /// Whether [`Limits::cpu_millis`](crate::Limits) is enforced.
    pub cpu_limit: bool,
    /// Whether [`Limits::disk_bytes`](crate::Limits) is enforced.
    pub disk_limit: bool,
    /// Whether [`Sandbox::freeze`](crate::Sandbox::freeze) works.
    pub pause: bool,
    /// How everything a process has started is killed.
    pub kill_scope: KillScope,
    /// Everything above that is not given, for a person to read.
    pub missing: Vec<Missing>,
}

/// How the user ids inside a sandbox relate to those of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdMapping {
    /// The sandbox's root and its user are two ids of the host, and neither is root's or this process's, except that
    /// for an ordinary user the sandbox's root is that user.
    Range,
    /// The sandbox's user is the user of this process, and there is no other.
    Single,
}

/// How everything a process has started is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillScope {
    /// By a cgroup of its own.
    Cgroup,
    /// By a supervising process that inherits its orphans.
    Subreaper,
}

/// Something a host cannot give.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// What is missing.
    pub what: &'static str,
    /// Why, on this host.
    pub why: String,
    /// What somebody could do about it.
    pub remedy: &'static str,
}

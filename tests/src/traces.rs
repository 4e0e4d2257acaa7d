//! What sandboxes are made of on this machine, by the kernel's own account.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub pid: u32,
    /// That of its parent.
    pub parent: u32,
    /// In how many nested process namespaces it is: one more than its launcher, for a process of a sandbox.
    pub depth: usize,
    /// Whether it has ended, and only its parent has not looked yet.
    pub is_dead: bool,
    /// What it was started with, separated by spaces.
    pub arguments: String,
}

impl Found {
    /// The process of this number, if there is one.
    pub fn look(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        Some(Self {
            pid,
            parent: field("PPid")?.parse().ok()?,
            depth: field("NSpid")?.split_whitespace().count(),
            is_dead: field("State")?.starts_with(['Z', 'X']),
            arguments: String::from_utf8_lossy(&arguments).replace('\0', " "),
        })
    }
}

/// Every process that can be seen.
pub fn processes() -> Vec<Found> {
    let numbers = fs::read_dir("/proc").expect("processes").flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(Found::look).collect()
}

/// What a process has started, and what that has started, and so on.
pub fn descendants(of: u32) -> Vec<Found> {
    let mut others = processes();
    let mut below: Vec<Found> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        let (children, rest) = others.into_iter().partition(|found| found.parent == parent);
        others = rest;
        parents.extend(children.iter().map(|child: &Found| child.pid));
        below.extend(children);
    }
    below
}

/// The lines of this process's mount table.
pub fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    table.lines().map(str::to_owned).collect()
}

/// The directories of all control groups.
pub fn cgroups() -> BTreeSet<PathBuf> {
    fn walk(directory: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.insert(entry.path());
                walk(&entry.path(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

/// The names of the sockets that have one in the file system.
pub fn sockets() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/net/unix").expect("sockets");
    let names = table
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]));
    names.map(str::to_owned).collect()
}

/// Sandboxed processes, mounts and control groups of the whole machine at one moment.
#[derive(Debug)]
pub struct Traces {
    processes: BTreeSet<u32>,
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<PathBuf>,
}

impl Traces {
    /// What there is now.
    pub fn now() -> Self {
        let own = Found::look(std::process::id()).map_or(1, |own| own.depth);
        let sandboxed = processes().into_iter().filter(|found| found.depth > own);
        Self {
            processes: sandboxed.map(|found| found.pid).collect(),
            mounts: mounts(),
            cgroups: cgroups(),
        }
    }

    /// How many processes there are in namespaces below ours.
    pub fn processes(&self) -> usize {
        self.processes.len()
    }

    /// What is here and was not there before.
    pub fn beyond(&self, before: &Self) -> Vec<String> {
        let processes = self.processes.difference(&before.processes).map(u32::to_string);
        let mounts = self.mounts.difference(&before.mounts).cloned();
        let groups = self.cgroups.difference(&before.cgroups);
        let groups = groups.map(|path| path.display().to_string());
        processes.chain(mounts).chain(groups).collect()
    }
}

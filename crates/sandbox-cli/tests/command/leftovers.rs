//! What a command could leave on a machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{Place, eventually};

/// Sandboxed processes, mounts and cgroups of the whole machine at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Traces {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
}

impl Traces {
    pub(crate) fn now() -> Self {
        Self {
            processes: sandboxed_processes(),
            mounts: mounts(),
            cgroups: cgroups(),
        }
    }

    pub(crate) fn processes(&self) -> usize {
        self.processes.len()
    }

    /// Waits until the machine is as it was. The kernel takes namespaces down after their last process has gone.
    pub(crate) fn return_to(before: &Self) {
        eventually("the machine is as it was", || Self::now() == *before);
    }

    /// As [`Self::return_to`], and nothing is left where the command kept its things.
    pub(crate) fn nothing_left(before: &Self, place: &Place) {
        Self::return_to(before);
        let files = place.files();
        assert!(files.is_empty(), "left behind: {files:?}");
    }
}

/// Processes in a pid namespace below ours, by the kernel's own account.
fn sandboxed_processes() -> BTreeSet<String> {
    let numbers = fs::read_dir("/proc")
        .expect("processes")
        .flatten()
        .map(|entry| entry.file_name());
    numbers
        .filter_map(|number| {
            let number = number
                .into_string()
                .ok()
                .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
            let status = fs::read_to_string(format!("/proc/{number}/status")).ok()?;
            let namespaces = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
            (namespaces.split_whitespace().count() > 1).then_some(number)
        })
        .collect()
}

fn mounts() -> BTreeSet<String> {
    fs::read_to_string("/proc/self/mountinfo")
        .expect("mounts")
        .lines()
        .map(str::to_owned)
        .collect()
}

fn cgroups() -> BTreeSet<String> {
    fn walk(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.insert(entry.path().display().to_string());
                walk(&entry.path(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

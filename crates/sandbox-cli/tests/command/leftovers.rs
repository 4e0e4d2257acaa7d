//! What a command could leave on a machine.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{Place, eventually_saying};

/// Sandboxed processes, mounts and cgroups of the whole machine at one moment.
#[derive(Debug)]
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

    /// Waits until there is nothing on the machine that was not there before. The kernel takes namespaces down after
    /// their last process has gone, so what was there before may have been on its way out.
    pub(crate) fn return_to(before: &Self) {
        let left = RefCell::new(Vec::new());
        let what = || format!("the machine is as it was, but for {:?}", left.borrow());
        eventually_saying(what, || {
            left.replace(Self::now().beyond(before));
            left.borrow().is_empty()
        });
    }

    fn beyond(&self, before: &Self) -> Vec<String> {
        let more = |now: &BTreeSet<String>, then: &BTreeSet<String>| -> Vec<String> {
            now.difference(then).cloned().collect()
        };
        [
            more(&self.processes, &before.processes),
            more(&self.mounts, &before.mounts),
            more(&self.cgroups, &before.cgroups),
        ]
        .concat()
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

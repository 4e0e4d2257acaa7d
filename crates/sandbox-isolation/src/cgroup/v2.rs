//! Version 2: one hierarchy, in which a group's controllers are switched on by the group above it.

use std::fs;
use std::io;
use std::path::Path;

use super::mounts::{Hierarchy, Version};
use super::{Base, CPU_PERIOD, Controller, Setting, cpu_quota, memory_bytes};
use crate::error::{Context, Error};
use crate::launch::Limits;

/// The group this process moves to if it has to make room for the controllers of its own group.
const LEAF: &str = "sandbox-server.leaf";

/// Finds the group nearest to our own in which groups can be made that have every controller there is.
///
/// Our own group comes first, so that whatever limits this process limits its sandboxes too.
pub(super) fn base(hierarchy: &Hierarchy) -> Result<Option<Base>, Error> {
    let wanted = hierarchy.offered();
    let mut best: Option<Base> = None;
    let mut failure = None;
    for directory in hierarchy
        .own
        .ancestors()
        .take_while(|directory| directory.starts_with(&hierarchy.top))
    {
        let ours = directory == hierarchy.own;
        match try_base(directory, ours, &wanted) {
            Ok(base) if base.controllers.len() == wanted.len() => return Ok(Some(base)),
            Ok(base) => {
                if best
                    .as_ref()
                    .is_none_or(|best| best.controllers.len() < base.controllers.len())
                {
                    best = Some(base);
                }
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match (best, failure) {
        (Some(base), _) => Ok(Some(base)),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(None),
    }
}

fn try_base(directory: &Path, ours: bool, wanted: &[Controller]) -> Result<Base, Error> {
    super::with_trial_group(directory, check_trial)?;
    let names: Vec<_> = wanted.iter().map(|controller| controller.name()).collect();
    let enabled = enable(directory, ours.then(std::process::id), &names);
    let controllers = wanted
        .iter()
        .copied()
        .filter(|controller| enabled.iter().any(|it| it == controller.name()))
        .collect();
    Ok(Base {
        version: Version::V2,
        directory: directory.to_owned(),
        controllers,
    })
}

/// Whether a process could be moved there and killed, with this kernel and these rights.
fn check_trial(trial: &Path) -> Result<(), Error> {
    let kill = trial.join("cgroup.kill");
    fs::metadata(&kill).during_on("kill by control group before Linux 5.14", &kill)?;
    let procs = trial.join("cgroup.procs");
    crate::trial::join(&procs)
}

/// Switches controllers on for the groups below `directory`, and returns those that are on.
///
/// A group with processes in it cannot do that. If the only one is `alone`, it is moved to a group further down.
fn enable(directory: &Path, alone: Option<u32>, wanted: &[&str]) -> Vec<String> {
    let control = directory.join("cgroup.subtree_control");
    let enabled = || read_list(&control).unwrap_or_default();
    let before = enabled();
    let absent: Vec<_> = wanted
        .iter()
        .filter(|name| !before.iter().any(|it| it == *name))
        .collect();
    // One at a time: that one is not available here says nothing about the others.
    let enable_all = || {
        absent
            .iter()
            .filter(|name| fs::write(&control, format!("+{name}")).is_err())
            .count()
            == 0
    };
    if absent.is_empty() || enable_all() {
        return enabled();
    }
    if let Some(pid) = alone
        && read_list(&directory.join("cgroup.procs")).ok().as_deref() == Some(&[pid.to_string()])
        && move_to_leaf(directory, pid).is_ok()
        && !enable_all()
        && enabled() == before
    {
        let _ = fs::write(directory.join("cgroup.procs"), pid.to_string());
        let _ = fs::remove_dir(directory.join(LEAF));
    }
    enabled()
}

fn move_to_leaf(directory: &Path, pid: u32) -> io::Result<()> {
    let leaf = directory.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::write(leaf.join("cgroup.procs"), pid.to_string())
}

fn read_list(path: &Path) -> io::Result<Vec<String>> {
    Ok(fs::read_to_string(path)?
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect())
}

pub(super) fn settings(controller: Controller, limits: &Limits) -> Vec<Setting> {
    match controller {
        Controller::Memory => vec![
            Setting::required("memory.max", memory_bytes(limits)),
            Setting::optional("memory.swap.max", 0),
        ],
        Controller::Pids => vec![Setting::required("pids.max", limits.pids)],
        Controller::Cpu => vec![Setting::required(
            "cpu.max",
            format!("{} {CPU_PERIOD}", cpu_quota(limits)),
        )],
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// With a controller of no interest to anybody, so that it can be tried on hosts whose other controllers are in use.
    #[test]
    fn a_lone_process_makes_room_for_controllers() {
        const CONTROLLER: &str = "hugetlb";
        let Ok(hierarchies) = super::super::mounts::hierarchies() else {
            return;
        };
        let Some(hierarchy) = hierarchies
            .into_iter()
            .find(|hierarchy| hierarchy.version == Version::V2)
        else {
            println!("skipped: there is no control group hierarchy of version 2");
            return;
        };
        let group = hierarchy.top.join(format!("enable-test-{}", std::process::id()));
        let before = read_list(&hierarchy.top.join("cgroup.subtree_control")).unwrap();
        let top = enable(&hierarchy.top, None, &[CONTROLLER]);
        if !top.iter().any(|name| name == CONTROLLER) || fs::create_dir(&group).is_err() {
            println!("skipped: this user cannot switch {CONTROLLER} on");
            return;
        }
        let start = || Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (mut alone, mut other) = (start(), start());
        let join = |pid: u32| fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
        join(alone.id());
        join(other.id());
        let crowded = enable(&group, Some(alone.id()), &[CONTROLLER]);
        other.wait().unwrap();
        let unavailable = enable(&group, Some(alone.id()), &["nonsense"]);
        let moved_back = read_list(&group.join("cgroup.procs")).unwrap();
        let enabled = enable(&group, Some(alone.id()), &[CONTROLLER]);
        let leaf = read_list(&group.join(LEAF).join("cgroup.procs")).unwrap();
        let pid = alone.id().to_string();
        alone.wait().unwrap();
        fs::remove_dir(group.join(LEAF)).unwrap();
        fs::remove_dir(&group).unwrap();
        if !before.iter().any(|name| name == CONTROLLER) {
            fs::write(
                hierarchy.top.join("cgroup.subtree_control"),
                format!("-{CONTROLLER}"),
            )
            .unwrap();
        }

        assert_eq!(crowded, Vec::<String>::new(), "there was another process");
        assert_eq!(unavailable, Vec::<String>::new());
        assert_eq!(moved_back, [pid.as_str()], "it was moved for nothing");
        assert_eq!(enabled, [CONTROLLER]);
        assert_eq!(leaf, [pid.as_str()]);
    }
}

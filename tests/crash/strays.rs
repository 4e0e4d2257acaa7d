//! What is on the machine and belongs to no session.

use std::collections::BTreeSet;
use std::path::Path;

use contract_tests::traces::{self, Found};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::scene::Scene;

/// Something that belongs to no session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stray {
    Process(String),
    File(String),
    Cgroup(String),
    Socket(String),
    Mount(String),
}

/// What a session's directory holds; the last one is a record that was being written.
const FILES: [&str; 4] = ["record.json", "control.key", "agent.sock", "record.json.new"];

/// What belongs to none of the sessions that there are. `heard_of` are all that there ever were.
pub(crate) fn strays(
    scene: &Scene,
    sessions: &BTreeSet<String>,
    heard_of: &BTreeSet<String>,
) -> BTreeSet<Stray> {
    let gone: BTreeSet<&str> = heard_of.difference(sessions).map(String::as_str).collect();
    let of_gone = |text: &str| gone.iter().any(|id| text.contains(id));
    let state = scene.state();
    let is_ours = |text: &str| text.contains(&*state.to_string_lossy()) || of_gone(text);

    let mut strays = BTreeSet::new();
    strays.extend(processes(scene, sessions).into_iter().map(Stray::Process));
    strays.extend(files(scene, &state, sessions).into_iter().map(Stray::File));
    let groups = traces::cgroups()
        .into_iter()
        .map(|path| path.display().to_string());
    strays.extend(
        groups
            .filter(|path| of_gone(path) || is_trial(path, scene))
            .map(Stray::Cgroup),
    );
    strays.extend(
        traces::sockets()
            .into_iter()
            .filter(|name| of_gone(name))
            .map(Stray::Socket),
    );
    strays.extend(
        traces::mounts()
            .into_iter()
            .filter(|line| is_ours(line))
            .map(Stray::Mount),
    );
    strays
}

/// Processes that this one has started, or one that it has started, and that are neither a server's nor the first of a
/// session.
fn processes(scene: &Scene, sessions: &BTreeSet<String>) -> Vec<String> {
    let all = traces::descendants(std::process::id());
    bury(&all, scene.server());
    let own_depth = Found::look(std::process::id()).map_or(1, |own| own.depth);
    let first: BTreeSet<u32> = sessions.iter().filter_map(|id| scene.first_process(id)).collect();
    let strange = all.into_iter().filter(|found| !found.is_dead).filter(|found| {
        let is_of_server = found.depth == own_depth
            && (Some(found.pid) == scene.server() || is_spare(found) && Some(found.parent) == scene.server());
        !is_of_server && !first.contains(&found.pid)
    });
    strange.map(|found| format!("{found:?}")).collect()
}

/// Whether a server has it ready for its next session.
fn is_spare(found: &Found) -> bool {
    found.arguments.split(' ').nth(1) == Some(sandbox_agent::INIT_ARGUMENT)
}

/// This process is the parent of what killed servers leave.
fn bury(all: &[Found], server: Option<u32>) {
    let own = std::process::id();
    for found in all
        .iter()
        .filter(|found| found.is_dead && found.parent == own && Some(found.pid) != server)
    {
        let pid = i32::try_from(found.pid).ok().and_then(Pid::from_raw);
        let _ = waitpid(pid, WaitOptions::NOHANG);
    }
}

fn files(scene: &Scene, state: &Path, sessions: &BTreeSet<String>) -> Vec<String> {
    let mut strange = names(state, &["lock", "sessions"]);
    strange.extend(scene.directories().difference(sessions).cloned());
    for session in sessions {
        strange.extend(names(&scene.session(session), &FILES));
    }
    strange
}

/// What is in a directory beside what is expected.
fn names(directory: &Path, expected: &[&str]) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let strange = entries.filter(|entry| !expected.iter().any(|name| entry.file_name() == *name));
    strange.map(|entry| entry.path().display().to_string()).collect()
}

/// Whether one of our servers made this group to see whether it can be made.
fn is_trial(group: &str, scene: &Scene) -> bool {
    let name = group
        .rsplit('/')
        .next()
        .and_then(|name| name.strip_prefix("trial-"));
    let maker = name.and_then(|rest| rest.split('-').next()?.parse().ok());
    maker.is_some_and(|pid: u32| scene.servers.contains(&pid))
}

//! The groups of one sandbox.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::USER;
use super::mounts::Version;
use crate::error::{Context, Error};
use crate::handle::Stats;
use crate::process::pid_from;

/// The kernel ends processes and empties groups within milliseconds; a machine under load takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// The groups of one sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    directories: Vec<(Version, PathBuf)>,
}

impl Group {
    pub(super) fn add(&mut self, version: Version, directory: PathBuf) {
        self.directories.push((version, directory));
    }

    /// The files of version 1 through which a process with a single thread joins. `tasks`, and not `cgroup.procs`: for
    /// a thread that moves itself the kernel need not stop every fork and exit of the host, which takes milliseconds.
    pub(crate) fn entrances(&self) -> Vec<PathBuf> {
        self.directories
            .iter()
            .filter(|(version, _)| *version == Version::V1)
            .map(|(_, directory)| directory.join("tasks"))
            .collect()
    }

    /// The directory of version 2, in which a process has to be born.
    pub(crate) fn birthplace(&self) -> Option<PathBuf> {
        self.unified().map(Path::to_owned)
    }

    /// The directory in which PID 1 makes scopes.
    pub(crate) fn delegated(&self) -> Option<PathBuf> {
        self.unified().map(|directory| directory.join(USER))
    }

    fn unified(&self) -> Option<&Path> {
        self.directories
            .iter()
            .find(|(version, _)| *version == Version::V2)
            .map(|(_, path)| path.as_path())
    }

    /// Kills whatever is inside, without waiting for it.
    pub(crate) fn kill(&self) {
        for (_, directory) in &self.directories {
            if fs::write(directory.join("cgroup.kill"), "1").is_err() {
                kill_each(directory);
            }
        }
    }

    /// Removes the groups, and kills what keeps them from being removed.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        let deadline = Instant::now() + LIMIT;
        for (_, directory) in &self.directories {
            let mut pause = Duration::from_micros(200);
            while let Err(error) = remove_tree(directory) {
                if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() > deadline {
                    return Err(error).during_on("remove a control group", directory);
                }
                self.kill();
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Stops the processes of the sandbox's user, or lets them go on. `false`: this host cannot do that.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<bool, Error> {
        let Some(user) = self.delegated() else {
            return Ok(false);
        };
        let switch = user.join("cgroup.freeze");
        fs::write(&switch, if frozen { "1" } else { "0" }).during_on("freeze or thaw", &switch)?;
        let deadline = Instant::now() + LIMIT;
        let events = user.join("cgroup.events");
        loop {
            let text = fs::read_to_string(&events).during_on("read", &events)?;
            if field(&text, "frozen") == Some(u64::from(frozen)) {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Err(Error::Timeout {
                    what: "the processes of the sandbox to be frozen or thawed",
                });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn stats(&self) -> Result<Stats, Error> {
        let number = |text: String| text.trim().parse().ok();
        let microseconds = |text: String| field(&text, "usage_usec").map(Duration::from_micros);
        let mut stats = Stats::default();
        for (_, directory) in &self.directories {
            for file in ["memory.current", "memory.usage_in_bytes"] {
                stats.memory_bytes = stats.memory_bytes.or(read(directory, file)?.and_then(number));
            }
            stats.pids = stats.pids.or(read(directory, "pids.current")?.and_then(number));
            stats.cpu_time = stats
                .cpu_time
                .or(read(directory, "cpu.stat")?.and_then(microseconds));
        }
        Ok(stats)
    }
}

/// The text of a file of a group, or `None` if this kind of group does not have it.
fn read(directory: &Path, file: &str) -> Result<Option<String>, Error> {
    let path = directory.join(file);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && directory.exists() => Ok(None),
        result => result.map(Some).during_on("read", &path),
    }
}

/// The number after a word at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

pub(super) fn is_populated(version: Version, directory: &Path) -> bool {
    let read = |file: &str| fs::read_to_string(directory.join(file));
    match version {
        Version::V1 => read("cgroup.procs").is_ok_and(|procs| !procs.is_empty()),
        Version::V2 => read("cgroup.events").is_ok_and(|events| field(&events, "populated") != Some(0)),
    }
}

/// Removes a group and those below it. Others may be removing them at the same time.
pub(super) fn remove_tree(directory: &Path) -> io::Result<()> {
    match remove_with_children(directory) {
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    }
}

fn remove_with_children(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        // Processes or further groups.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
        result => return result,
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

/// Whether this is about a group that does not exist, or not any more since it was opened.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

fn kill_each(directory: &Path) {
    let procs = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in procs.lines().filter_map(|line| pid_from(line.parse().ok()?)) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            kill_each(&entry.path());
        }
    }
}

//! Limits, counters, freezing and killing by control groups, on hosts with version 1, version 2 or both.
//!
//! A sandbox has one directory in each hierarchy that is of use. In a version 2 hierarchy it looks like this; PID 1
//! stays where it is, so that it is awake while its user's processes are frozen:
//!
//! ```text
//! sandbox-NAME          PID 1, the limits
//! └── user              given to PID 1, frozen and thawed as a whole
//!     ├── exec-1        a kill scope
//!     └── exec-2
//! ```

mod group;
mod mounts;
mod v1;
mod v2;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, Mode, OFlags};

pub(crate) use self::group::Group;
use self::mounts::{Hierarchy, Version};
use crate::capabilities::Missing;
use crate::error::{Context, Error};
use crate::launch::Limits;

/// The name of a sandbox's directories, before its own name.
const PREFIX: &str = "sandbox-";

/// The directory of a sandbox below which its PID 1 makes scopes.
const USER: &str = "user";

/// What is wanted of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
}

impl Controller {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }
}

/// A file of a control group and what to write to it.
struct Setting {
    file: &'static str,
    value: String,
    /// A kernel may be built without what it sets.
    optional: bool,
}

impl Setting {
    fn required(file: &'static str, value: impl ToString) -> Self {
        Self {
            file,
            value: value.to_string(),
            optional: false,
        }
    }

    fn optional(file: &'static str, value: impl ToString) -> Self {
        Self {
            file,
            value: value.to_string(),
            optional: true,
        }
    }
}

/// Where sandboxes' groups are made.
#[derive(Clone, Debug)]
struct Base {
    version: Version,
    directory: PathBuf,
    controllers: Vec<Controller>,
}

/// The control groups of this host, as far as this process may use them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cgroups {
    bases: Vec<Base>,
}

impl Cgroups {
    /// Finds out what there is, by trying.
    pub(crate) fn probe() -> (Self, Vec<Missing>) {
        let mut cgroups = Self::default();
        let mut failures = Vec::new();
        match mounts::hierarchies() {
            Ok(hierarchies) => {
                for hierarchy in hierarchies {
                    let base = match hierarchy.version {
                        Version::V1 => v1::base(&hierarchy),
                        Version::V2 => v2::base(&hierarchy),
                    };
                    match base {
                        Ok(base) => cgroups.bases.extend(base),
                        Err(error) => failures.push((Some(hierarchy), describe(&error))),
                    }
                }
            }
            Err(error) => failures.push((None, describe(&error))),
        }
        cgroups.collect_garbage();
        let missing = cgroups.missing(&failures);
        (cgroups, missing)
    }

    pub(crate) fn limits(&self, controller: Controller) -> bool {
        self.bases
            .iter()
            .any(|base| base.controllers.contains(&controller))
    }

    /// Whether groups can be frozen and killed as a whole.
    pub(crate) fn unified(&self) -> bool {
        self.bases.iter().any(|base| base.version == Version::V2)
    }

    /// What is not there, each with the failure that is to blame.
    fn missing(&self, failures: &[(Option<Hierarchy>, String)]) -> Vec<Missing> {
        let why = |controller: Option<Controller>| {
            let to_blame = failures
                .iter()
                .find(|(hierarchy, _)| match (hierarchy, controller) {
                    (None, _) => true,
                    (Some(hierarchy), Some(controller)) => hierarchy.offered().contains(&controller),
                    (Some(hierarchy), None) => hierarchy.version == Version::V2,
                });
            to_blame.map_or_else(
                || String::from("this host mounts no such control groups"),
                |(_, why)| why.clone(),
            )
        };
        let wanted = [
            (
                "a limit on the memory of a whole sandbox",
                Some(Controller::Memory),
            ),
            (
                "a limit on the number of a sandbox's processes",
                Some(Controller::Pids),
            ),
            ("a limit on processor time", Some(Controller::Cpu)),
            ("pausing, and killing by control group", None),
        ];
        let present = |controller: Option<Controller>| match controller {
            Some(controller) => self.limits(controller),
            None => self.unified(),
        };
        let absent = wanted.into_iter().filter(|(_, controller)| !present(*controller));
        let remedy =
            "run as root, or in a delegated control group (systemd-run --user --scope -p Delegate=yes)";
        absent
            .map(|(what, controller)| Missing {
                what,
                why: why(controller),
                remedy,
            })
            .collect()
    }

    /// Makes the groups of a new sandbox. `owner` is the host's id of the sandbox's root, if it is to be given to it.
    ///
    /// The lock keeps others from taking the groups for garbage until the sandbox is in them.
    pub(crate) fn create(
        &self,
        name: &str,
        limits: &Limits,
        owner: Option<u32>,
    ) -> Result<(Group, Lock), Error> {
        let lock = Lock::shared(self)?;
        let mut group = Group::default();
        match self
            .bases
            .iter()
            .try_for_each(|base| base.create(name, limits, owner, &mut group))
        {
            Ok(()) => Ok((group, lock)),
            Err(error) => {
                group.remove()?;
                Err(error)
            }
        }
    }

    /// The groups a sandbox of this name has, or would have.
    pub(crate) fn find(&self, name: &str) -> Group {
        let mut group = Group::default();
        for base in &self.bases {
            let directory = base.directory.join(format!("{PREFIX}{name}"));
            if directory.exists() {
                group.add(base.version, directory);
            }
        }
        group
    }

    /// Removes the empty groups of sandboxes whose launcher was killed.
    fn collect_garbage(&self) {
        // Somebody is launching: another time.
        let Ok(_lock) = Lock::exclusive(self) else { return };
        for base in &self.bases {
            let Ok(entries) = fs::read_dir(&base.directory) else {
                continue;
            };
            for entry in entries.flatten() {
                let abandoned = entry.file_name().to_str().is_some_and(|name| {
                    is_abandoned_trial(name)
                        || name.starts_with(PREFIX) && !group::is_populated(base.version, &entry.path())
                });
                if abandoned {
                    let _ = group::remove_tree(&entry.path());
                }
            }
        }
    }
}

impl Base {
    fn create(
        &self,
        name: &str,
        limits: &Limits,
        owner: Option<u32>,
        group: &mut Group,
    ) -> Result<(), Error> {
        let directory = self.directory.join(format!("{PREFIX}{name}"));
        // What is left of a sandbox of the same name goes; one that still runs stays, and this fails.
        if directory.exists() && !group::is_populated(self.version, &directory) {
            group::remove_tree(&directory).during_on("remove an old control group", &directory)?;
        }
        fs::create_dir(&directory).during_on("create a control group", &directory)?;
        group.add(self.version, directory.clone());
        for controller in &self.controllers {
            let settings = match self.version {
                Version::V1 => v1::settings(*controller, limits),
                Version::V2 => v2::settings(*controller, limits),
            };
            apply(&directory, &settings)?;
        }
        if self.version == Version::V2 {
            let user = directory.join(USER);
            fs::create_dir(&user).during_on("create a control group", &user)?;
            if owner.is_some() {
                // To move a process, one has to own the group it goes to and the one both groups are in.
                for path in [user, directory.join("cgroup.procs")] {
                    chown(&path, owner, owner).during_on("give a control group to the sandbox", &path)?;
                }
            }
        }
        Ok(())
    }
}

fn apply(directory: &Path, settings: &[Setting]) -> Result<(), Error> {
    for Setting {
        file,
        value,
        optional,
    } in settings
    {
        let path = directory.join(file);
        match fs::write(&path, value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && *optional => {}
            result => result.during_on("set a limit", &path)?,
        }
    }
    Ok(())
}

/// The memory a sandbox may use: its files are in memory as well.
fn memory_bytes(limits: &Limits) -> u64 {
    limits.memory_bytes.saturating_add(limits.disk_bytes)
}

/// The microseconds in which [`cpu_quota`] may be used up.
const CPU_PERIOD: u64 = 100_000;

fn cpu_quota(limits: &Limits) -> u64 {
    u64::from(limits.cpu_millis).saturating_mul(CPU_PERIOD / 1000)
}

/// The name of a group made to see whether it can be made, before the process that makes it and a number.
const TRIAL_PREFIX: &str = "trial-";

/// Tries something in a group that is removed again.
fn with_trial_group(below: &Path, action: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let trial = below.join(format!("{TRIAL_PREFIX}{}-{number}", std::process::id()));
    fs::create_dir(&trial).during_on("create a control group", &trial)?;
    let outcome = action(&trial);
    fs::remove_dir(&trial).during_on("remove a control group", &trial)?;
    outcome
}

/// Whether this is the name of such a group, and the process that made it was killed.
fn is_abandoned_trial(name: &str) -> bool {
    let maker = name
        .strip_prefix(TRIAL_PREFIX)
        .and_then(|rest| rest.split('-').next());
    let maker = maker.and_then(|number| number.parse::<u32>().ok());
    maker.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

/// An error and its causes in one line.
fn describe(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Advisory locks on the directories groups are made in: shared while launching, exclusive while tidying up.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "closing them is what unlocks")] Vec<OwnedFd>);

impl Lock {
    fn shared(cgroups: &Cgroups) -> Result<Self, Error> {
        Self::take(cgroups, FlockOperation::LockShared)
    }

    fn exclusive(cgroups: &Cgroups) -> Result<Self, Error> {
        Self::take(cgroups, FlockOperation::NonBlockingLockExclusive)
    }

    fn take(cgroups: &Cgroups, operation: FlockOperation) -> Result<Self, Error> {
        let lock = |base: &Base| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::open(&base.directory, flags, Mode::empty())?;
            rustix::io::retry_on_intr(|| rustix::fs::flock(&directory, operation))?;
            Ok::<_, rustix::io::Errno>(directory)
        };
        cgroups
            .bases
            .iter()
            .map(|base| lock(base).during_on("lock the control groups", &base.directory))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

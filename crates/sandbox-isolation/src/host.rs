//! What this host gives, and the sandboxes on it.

use std::fs;
use std::io;
use std::sync::Arc;

use crate::capabilities::{Capabilities, IdMapping, KillScope, Missing};
use crate::cgroup::{Cgroups, Controller};
use crate::error::Error;
use crate::handle::{Handle, Sandbox};
use crate::idmap::{self, Ids, Mapping};
use crate::launch::{self, LaunchSpec, Launched};
use crate::spare::Spare;
use crate::trial::{self, Trial};

/// This host, as far as sandboxes are concerned. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capabilities: Capabilities,
    cgroups: Cgroups,
    identities: Identities,
    spare: Arc<Spare>,
}

/// Where the ids of a sandbox come from.
#[derive(Debug)]
enum Identities {
    /// Root's: each sandbox has a range of its own, out of these.
    Own { uids: Vec<Ids>, gids: Vec<Ids> },
    /// All sandboxes have the same.
    Fixed(Mapping),
}

impl Host {
    /// Finds out what this host gives, by trying. It also removes the empty control groups of sandboxes whose launcher
    /// was killed, and moves this process to a control group of its own where that takes limits to work.
    ///
    /// # Errors
    ///
    /// [`Error::UserNamespaces`] names the setting that forbids sandboxes and what the choices are.
    pub fn probe() -> Result<Self, Error> {
        check_kernel()?;
        let mut missing = Vec::new();
        let identities = identities(&mut missing)?;
        let (cgroups, unavailable) = Cgroups::probe();
        missing.extend(unavailable);
        let identity = match &identities {
            Identities::Own { .. } => IdMapping::Range,
            Identities::Fixed(mapping) => mapping.kind(),
        };
        let capabilities = Capabilities {
            identity,
            memory_limit: cgroups.limits(Controller::Memory),
            pids_limit: cgroups.limits(Controller::Pids),
            cpu_limit: cgroups.limits(Controller::Cpu),
            disk_limit: true,
            pause: cgroups.unified(),
            kill_scope: if cgroups.unified() {
                KillScope::Cgroup
            } else {
                KillScope::Subreaper
            },
            missing,
        };
        Ok(Self(Arc::new(Inner {
            capabilities,
            cgroups,
            identities,
            spare: Arc::default(),
        })))
    }

    /// What was found.
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// Starts a sandbox, and returns when its first process is about to run the agent.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a specification out of bounds, else the step that failed. Nothing is left then.
    pub fn launch(&self, spec: LaunchSpec<'_>) -> Result<Launched, Error> {
        launch::launch(self, &spec)
    }

    /// Finds a sandbox again. `None`: it has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Step`] if it cannot be told whether it runs.
    pub fn adopt(&self, handle: &Handle) -> Result<Option<Sandbox>, Error> {
        Sandbox::adopt(handle)
    }

    /// Kills what is left in the cgroups of a sandbox of this name, and removes them.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::destroy`].
    pub fn sweep(&self, name: &str) -> Result<(), Error> {
        launch::check_name(name)?;
        let group = self.cgroups().find(name);
        group.kill();
        group.remove()
    }

    pub(crate) fn cgroups(&self) -> &Cgroups {
        &self.0.cgroups
    }

    pub(crate) fn spare(&self) -> &Arc<Spare> {
        &self.0.spare
    }

    /// The ids of a sandbox of this name.
    pub(crate) fn mapping(&self, name: &str) -> Result<Mapping, Error> {
        match &self.0.identities {
            Identities::Own { uids, gids } => {
                idmap::choose(name, uids, gids)
                    .map(Mapping::Root)
                    .ok_or_else(|| Error::Unsupported {
                        what: "a range of user ids",
                        why: String::from("too few are mapped here"),
                    })
            }
            Identities::Fixed(mapping) => Ok(mapping.clone()),
        }
    }
}

/// The first kernel that can make a whole tree of mounts read-only is Linux 5.12.
fn check_kernel() -> Result<(), Error> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(5), Some(12)) {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: "a sandbox",
        why: format!("it takes Linux 5.12, and this is {release}"),
    })
}

/// Tries the ways to map ids, the best one first.
fn identities(missing: &mut Vec<Missing>) -> Result<Identities, Error> {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let (uids, gids) = idmap::own_ids()?;
    let range = if uid == 0 {
        root_range(uids.clone(), gids)
    } else {
        let path = std::env::var_os("PATH");
        idmap::subordinate(uid, gid, path.as_deref()).and_then(|mapping| {
            trial::run(&mapping)
                .map_err(describe)
                .map(|()| Identities::Fixed(mapping))
        })
    };
    let why = match range {
        Ok(identities) => return Ok(identities),
        Err(why) => why,
    };
    let single = Mapping::Single { uid, gid };
    if let Err(trial) = trial::run(&single) {
        return Err(refused(trial));
    }
    if uid == 0 && !idmap::is_nested(&uids) {
        // As the one user of a sandbox, root of the host would own what it can see of it.
        return Err(refused(Trial {
            step: "map a range of ids",
            source: io::Error::other(why),
        }));
    }
    missing.push(Missing {
        what: "user ids of its own for a sandbox",
        why,
        remedy: "install newuidmap (the package uidmap or shadow-utils) and set ids aside in /etc/subuid and /etc/subgid",
    });
    Ok(Identities::Fixed(single))
}

fn root_range(uids: Vec<Ids>, gids: Vec<Ids>) -> Result<Identities, String> {
    let ids = idmap::choose("trial", &uids, &gids).ok_or("too few ids are mapped in this user namespace")?;
    trial::run(&Mapping::Root(ids)).map_err(describe)?;
    Ok(Identities::Own { uids, gids })
}

fn describe(trial: Trial) -> String {
    format!("cannot {}: {}", trial.step, trial.source)
}

/// Settings that forbid user namespaces or make them useless: the file, the value, its name.
const FORBIDDING: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "user.max_user_namespaces is 0",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "kernel.unprivileged_userns_clone is 0",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns is 1",
    ),
];

fn refused(trial: Trial) -> Error {
    let set = |(path, value, name): &(&str, &str, &'static str)| {
        fs::read_to_string(path)
            .is_ok_and(|text| text.trim() == *value)
            .then_some(*name)
    };
    let cause = match FORBIDDING.iter().find_map(set) {
        Some(name) => name.to_owned(),
        None => format!("cannot {} (a container's filter may forbid it)", trial.step),
    };
    let choices = "change that setting with sysctl, run as root, or use a server on another machine";
    Error::UserNamespaces {
        cause,
        choices,
        source: trial.source,
    }
}

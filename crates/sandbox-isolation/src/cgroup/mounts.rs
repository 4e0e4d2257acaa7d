//! Where the hierarchies are mounted, and which group this process is in.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Controller;
use crate::error::{Context, Error};

/// The two generations of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A hierarchy that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// The controllers of a version 1 hierarchy.
    pub(super) controllers: Vec<String>,
    /// Where the topmost group that can be seen is.
    pub(super) top: PathBuf,
    /// Where the group of this process is, at or below `top`.
    pub(super) own: PathBuf,
}

impl Hierarchy {
    /// What this hierarchy has of what is wanted.
    pub(super) fn offered(&self) -> Vec<Controller> {
        let names = match self.version {
            Version::V1 => self.controllers.clone(),
            Version::V2 => {
                let available = fs::read_to_string(self.top.join("cgroup.controllers")).unwrap_or_default();
                available.split_ascii_whitespace().map(str::to_owned).collect()
            }
        };
        let has = |controller: &Controller| names.iter().any(|name| name == controller.name());
        Controller::ALL.into_iter().filter(has).collect()
    }
}

pub(super) fn hierarchies() -> Result<Vec<Hierarchy>, Error> {
    let read = |path: &str| fs::read_to_string(path).during_on("read", path);
    Ok(parse(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?))
}

fn parse(mountinfo: &str, cgroup: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for mount in mountinfo.lines().filter_map(parse_mount) {
        // The first mount of a hierarchy will do.
        let known =
            |other: &Hierarchy| other.version == mount.version && other.controllers == mount.controllers;
        let own = own_group(cgroup, &mount).and_then(|own| relative(&own, &mount.root));
        if let Some(own) = own
            && !found.iter().any(known)
        {
            found.push(Hierarchy {
                version: mount.version,
                controllers: mount.controllers,
                own: mount.point.join(own),
                top: mount.point,
            });
        }
    }
    found
}

struct Mount {
    version: Version,
    controllers: Vec<String>,
    root: PathBuf,
    point: PathBuf,
}

/// A line such as `32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu`.
fn parse_mount(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (
        PathBuf::from(unescape(mount.next()?)),
        PathBuf::from(unescape(mount.next()?)),
    );
    let mut filesystem = filesystem.split(' ');
    let version = match filesystem.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = filesystem.nth(1)?.split(',').map(str::to_owned);
    let controllers = if version == Version::V1 {
        options.collect()
    } else {
        Vec::new()
    };
    Some(Mount {
        version,
        controllers,
        root,
        point,
    })
}

/// Spaces, tabs, newlines and backslashes are written in octal.
fn unescape(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// The path after the second colon of the line of a hierarchy, such as `4:memory:/a/b` or `0::/a`.
fn own_group(cgroup: &str, mount: &Mount) -> Option<PathBuf> {
    cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = match mount.version {
            Version::V1 => {
                !names.is_empty()
                    && names
                        .split(',')
                        .all(|name| mount.controllers.iter().any(|has| has == name))
            }
            Version::V2 => number == "0" && names.is_empty(),
        };
        ours.then(|| PathBuf::from(path))
    })
}

/// The path below the mount. A group outside of what is mounted cannot be reached.
fn relative(own: &Path, root: &Path) -> Option<PathBuf> {
    let below = own.strip_prefix(root).ok()?;
    below
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
        .then(|| below.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_hybrid_host() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let cgroup = "4:memory:/a/b\n2:cpu,cpuacct:/\n1:name=systemd:/x\n0::/\n";
        let found = parse(mountinfo, cgroup);
        let owns: Vec<_> = found
            .iter()
            .map(|hierarchy| hierarchy.own.to_str().unwrap())
            .collect();
        assert_eq!(
            owns,
            [
                "/sys/fs/cgroup/cpu,cpuacct/",
                "/sys/fs/cgroup/memory/a/b",
                "/sys/fs/cgroup/unified/"
            ]
        );
        assert_eq!(found[2].version, Version::V2);
    }

    #[test]
    fn reads_a_container_with_part_of_a_hierarchy() {
        let mountinfo =
            "50 40 0:30 /docker/abc /sys/fs/cgroup/with\\040space ro - cgroup2 cgroup rw,nsdelegate\n";
        let found = parse(mountinfo, "0::/docker/abc/leaf\n");
        assert_eq!(found[0].own, Path::new("/sys/fs/cgroup/with space/leaf"));
        assert_eq!(found[0].top, Path::new("/sys/fs/cgroup/with space"));
        assert_eq!(parse(mountinfo, "0::/elsewhere\n"), []);
        assert_eq!(
            parse("50 40 0:30 / /c ro - cgroup2 cgroup rw\n", "0::/../..\n"),
            []
        );
        assert_eq!(parse("nonsense\n1 2 3 - cgroup\n", "0::/\n"), []);
    }
}

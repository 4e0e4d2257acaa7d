//! Root runs the tests again as an ordinary user.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::{copy_program, skipped};

/// A user id that no account has, and ids that are set aside for it.
const USER: u32 = 65_432;
const SUBORDINATE: &str = "65432:1900000000:65536\n";

pub(crate) fn trials() -> Vec<Trial> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    let variants = [
        ("all_again_as_an_ordinary_user", false, false),
        ("all_again_with_ids_set_aside", true, false),
        ("all_again_with_a_delegated_control_group", false, true),
        (
            "all_again_with_ids_set_aside_and_a_delegated_control_group",
            true,
            true,
        ),
    ];
    variants
        .map(|(name, ids, group)| Trial::test(name, move || run(name, ids, group)))
        .into()
}

fn run(name: &str, ids_set_aside: bool, delegated_group: bool) -> Result<(), Failed> {
    for tool in ["/usr/bin/setpriv", "/usr/bin/unshare", "/usr/bin/newuidmap"] {
        if !Path::new(tool).exists() {
            skipped(&format!("{name}: {tool} is not installed"));
            return Ok(());
        }
    }
    let directory = tempfile::tempdir()?;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o1777))?;
    let program = directory.path().join("tests");
    copy_program(&program);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    // Theirs, as a program somebody has built is: what is inside must not be able to change it all the same.
    chown(&program, Some(USER), Some(USER))?;

    let mut script = String::from("set -e\n");
    if ids_set_aside {
        script += &set_ids_aside(directory.path())?;
    }
    let group = if delegated_group {
        Some(DelegatedGroup::new())
    } else {
        None
    };
    match &group {
        Some(Some(group)) => script += &format!("echo $$ > {}/cgroup.procs\n", group.0.display()),
        Some(None) => {
            skipped(&format!(
                "{name}: there is no control group hierarchy of version 2"
            ));
            return Ok(());
        }
        None => {}
    }
    script += &format!(
        "exec setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps -all \
        env -i PATH={path} TMPDIR={directory} {program} --test-threads 4\n",
        // Without a path there is no newuidmap.
        path = if ids_set_aside {
            "/usr/bin:/bin"
        } else {
            "/bin-without-newuidmap"
        },
        directory = directory.path().display(),
        program = program.display(),
    );
    // Whatever is mounted is mounted for these tests only.
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    for line in text
        .lines()
        .filter(|line| line.starts_with("skipped:") || line.starts_with("missing:"))
    {
        println!("{name}: {line}");
    }
    if !output.status.success() {
        return Err(Failed::from(text.into_owned()));
    }
    for (is_there, words) in [
        (ids_set_aside, "user ids of its own"),
        (delegated_group, "killing by control group"),
    ] {
        assert_eq!(text.contains(words), !is_there, "{text}");
    }
    Ok(())
}

/// Commands that give the user ids and an account, in the mount namespace they run in.
fn set_ids_aside(directory: &Path) -> std::io::Result<String> {
    let account = format!("sandboxtests:x:{USER}:{USER}::/nonexistent:/bin/sh\n");
    let passwd = std::fs::read_to_string("/etc/passwd")? + &account;
    let mut script = String::new();
    for (file, content) in [
        ("subuid", SUBORDINATE),
        ("subgid", SUBORDINATE),
        ("passwd", &passwd),
    ] {
        let ours = directory.join(file);
        std::fs::write(&ours, content)?;
        script += &format!("mount --bind {} /etc/{file}\n", ours.display());
    }
    Ok(script)
}

/// A control group that belongs to the user, as `systemd-run --user -p Delegate=yes` makes one.
struct DelegatedGroup(PathBuf);

impl DelegatedGroup {
    fn new() -> Option<Self> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let mount = mounts
            .into_iter()
            .find(|mount| Path::new(mount).join("cgroup.controllers").exists())?;
        let group = Path::new(mount).join(format!(
            "delegated-{}-{}",
            std::process::id(),
            crate::unique_name()
        ));
        std::fs::create_dir(&group).ok()?;
        let group = Self(group);
        for path in [
            group.0.clone(),
            group.0.join("cgroup.procs"),
            group.0.join("cgroup.subtree_control"),
        ] {
            chown(path, Some(USER), Some(USER)).ok()?;
        }
        Some(group)
    }
}

impl Drop for DelegatedGroup {
    fn drop(&mut self) {
        // What the tests left in it would keep it from going, and shows in the next line of output.
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = std::fs::remove_dir(entry.path());
        }
        if let Err(error) = std::fs::remove_dir(&self.0) {
            println!("{} was not empty: {error}", self.0.display());
        }
    }
}

//! What differs where the root is the tree of an image.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sandbox_isolation::IdMapping;

use crate::agent::Kind;
use crate::{Ground, LIMITS, Running, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("writes_only_to_its_own_layer", writes_only_to_its_own_layer),
    ("a_hostile_tree_leads_nowhere", a_hostile_tree_leads_nowhere),
    ("an_empty_tree_will_do", an_empty_tree_will_do),
    ("keeps_the_accounts_of_the_image", keeps_the_accounts_of_the_image),
    (
        "owners_and_modes_are_those_of_the_image",
        owners_and_modes_are_those_of_the_image,
    ),
    ("holds_its_lease", holds_its_lease),
    (
        "what_lies_in_the_image_where_users_write_is_kept",
        what_lies_where_users_write_is_kept,
    ),
];

/// What the scripts of the tests run.
const PROGRAMS: [&str; 32] = [
    "bash", "sh", "cat", "chmod", "cp", "cut", "date", "env", "getent", "grep", "head", "hostname", "id",
    "ls", "mkdir", "mv", "readlink", "rm", "rmdir", "seq", "setsid", "sleep", "sort", "stat", "stty", "tail",
    "timeout", "tr", "true", "tty", "wc", "touch",
];

/// A tree of the host's programs, with the libraries they need.
pub(crate) fn hosts_programs(dir: &Path) -> Arc<Path> {
    let tree = dir.join("tree");
    for part in [
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
        "etc",
        "root",
        "var/tmp",
    ] {
        fs::create_dir_all(tree.join(part)).unwrap();
    }
    fs::set_permissions(tree.join("var/tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(tree.join("root"), fs::Permissions::from_mode(0o700)).unwrap();
    for part in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{part}"), tree.join(part)).unwrap();
    }
    for program in PROGRAMS {
        copy(Path::new("/usr/bin").join(program).as_path(), &tree);
    }
    tree.into()
}

/// Copies a program and its libraries.
fn copy(program: &Path, tree: &Path) {
    let libraries = Command::new("/usr/bin/ldd")
        .env("PATH", "/usr/bin:/bin")
        .arg(program)
        .output()
        .unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    let words = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for path in words.map(Path::new).chain([program]) {
        let to = tree.join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if !to.exists() {
            fs::copy(path, to).unwrap();
        }
    }
}

/// Another tree with the same programs, without copying them.
fn changed(ground: &Ground, dir: &Path, change: impl FnOnce(&Path)) -> Ground {
    let tree = dir.join("changed");
    let copied = Command::new("/bin/cp")
        .arg("-al")
        .args([ground.tree.as_deref().unwrap(), &tree])
        .status();
    assert!(copied.unwrap().success());
    change(&tree);
    Ground {
        tree: Some(tree.into()),
        ..ground.clone()
    }
}

fn writes_only_to_its_own_layer(ground: &Ground) {
    let tree = ground.tree.as_deref().unwrap();
    let names = |dir: &Path| fs::read_dir(dir).unwrap().count();
    let before = names(tree);
    let (one, other) = (Running::new(ground), Running::new(ground));
    let places =
        "for d in /workspace /home/sandbox /tmp /var/tmp /dev/shm; do echo ok > $d/x && cat $d/x; done";
    assert_eq!(one.shell(places), "ok\nok\nok\nok\nok\n");
    let refused = one.shell(
        "for d in /dev /dev/pts /proc /proc/sys /proc/sys/kernel /run/sandbox-agent; do \
        if (: > $d/x) 2>/dev/null; then echo $d; fi; done; \
        for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/1/mem /run/sandbox-agent/l*; do \
        if (: >> $f) 2>/dev/null; then echo $f; fi; done",
    );
    assert_eq!(refused, "");
    let system = "for d in / /usr /usr/bin /etc /root; do if (: > $d/x) 2>/dev/null; then echo $d; fi; done";
    assert_eq!(one.shell(system), "");
    assert_eq!(
        other.shell("ls /x /usr/x /var/tmp/x /workspace 2>/dev/null; true"),
        "/workspace:\n"
    );
    assert_eq!(names(tree), before);
    assert!(!tree.join("var/tmp/x").exists());
    let seen = one.shell("cat /proc/self/mountinfo; ls -A /");
    assert!(
        !seen.contains(tree.to_str().unwrap()) && !seen.contains("old_root"),
        "{seen}"
    );
    for mount in one.shell("grep -vE ' (/proc|/dev)' /proc/self/mounts").lines() {
        assert!(mount.contains("nosuid") && mount.contains("nodev"), "{mount}");
    }
}

fn a_hostile_tree_leads_nowhere(ground: &Ground) {
    let dir = tempfile::tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("passwd"), "secret").unwrap();
    let ground = changed(ground, dir.path(), |tree| {
        fs::remove_dir(tree.join("etc")).unwrap();
        for place in ["dev", "proc", "sys", "run", "workspace", "home", "tmp", "etc"] {
            symlink(&victim, tree.join(place)).unwrap();
        }
        fs::create_dir(tree.join("mnt")).unwrap();
        fs::write(tree.join("srv"), "a file").unwrap();
    });
    let running = Running::new(&ground);
    assert_eq!(
        running.shell("echo ok > /workspace/x; cat /workspace/x; id -un"),
        "ok\nsandbox\n"
    );
    assert!(!running.shell("cat /etc/passwd").contains("secret"));
    assert_eq!(running.ask(Kind::Own, "threads").output, "");
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 1);
}

fn an_empty_tree_will_do(ground: &Ground) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("empty");
    fs::create_dir(&tree).unwrap();
    let running = Running::new(&Ground {
        tree: Some(tree.into()),
        ..ground.clone()
    });
    let missing = running.ask(Kind::Shell, "true");
    assert_eq!(missing.status, -1, "there is no shell: {}", missing.output);
    // Without a library in sight.
    let own = running.ask(Kind::Own, "sockets");
    assert_eq!((own.output.as_str(), own.status), ("", 0));
}

fn keeps_the_accounts_of_the_image(ground: &Ground) {
    let dir = tempfile::tempdir().unwrap();
    let ground = changed(ground, dir.path(), |tree| {
        fs::write(
            tree.join("etc/passwd"),
            "node:x:1000:1000::/home/node:/bin/sh\nweb:x:33:33::/:/bin/sh\n",
        )
        .unwrap();
        fs::write(tree.join("etc/group"), "web:x:33:\n").unwrap();
        fs::write(tree.join("etc/other"), "kept\n").unwrap();
    });
    let running = Running::new(&ground);
    assert_eq!(
        running.shell(
            "id -un; id -u web; id -gn; getent passwd node | cut -d: -f3; cat /etc/other /etc/hostname"
        ),
        "sandbox\n33\nsandbox\n1000\nkept\nsandbox\n"
    );
}

fn owners_and_modes_are_those_of_the_image(ground: &Ground) {
    let expected = match ground.capabilities().identity {
        IdMapping::Range => "0:0 700\n0:0 755\n",
        _ => "1000:1000 700\n1000:1000 755\n",
    };
    assert_eq!(
        Running::new(ground).shell("stat -c '%u:%g %a' /root /usr"),
        expected
    );
}

fn holds_its_lease(ground: &Ground) {
    let running = Running::new(ground);
    let lease = fs::metadata(running.directory.path().join("lease")).unwrap();
    let held = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", running.pid())).ok()?;
        let same =
            |path| fs::metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == (lease.dev(), lease.ino()));
        Some(descriptors.flatten().any(|entry| same(entry.path())))
    };
    // Another user's descriptors are not for everybody to see.
    assert_ne!(held(), Some(false));
    assert_eq!(
        running.shell("ls /proc/self/fd | wc -l"),
        "4\n",
        "it is not handed on"
    );
}

fn what_lies_where_users_write_is_kept(ground: &Ground) {
    let dir = tempfile::tempdir().unwrap();
    let ground = changed(ground, dir.path(), |tree| {
        fs::create_dir(tree.join("workspace")).unwrap();
        fs::write(tree.join("workspace/shipped"), "shipped\n").unwrap();
    });
    let running = Running::with(&ground, LIMITS, Vec::new());
    assert_eq!(
        running.shell("cat shipped; mv shipped moved; rm -f nothing; ls; mkdir d; mv d e; ls -d e"),
        "shipped\nmoved\ne\n"
    );
    assert_eq!(Running::new(&ground).shell("ls"), "shipped\n");
}

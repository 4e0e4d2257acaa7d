//! Root runs the tests again as an ordinary user.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::skipped;

/// A user id that no account has, and ids that are set aside for it.
const USER: u32 = 65_432;
const SUBORDINATE: &str = "65432:1900000000:65536\n";

pub(crate) fn trials() -> Vec<Trial> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    vec![
        Trial::test("all_again_as_an_ordinary_user", || run(false)),
        Trial::test("all_again_as_an_ordinary_user_with_ids_set_aside", || run(true)),
    ]
}

fn run(ids_set_aside: bool) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o1777))?;
    let program = directory.path().join("tests");
    std::fs::copy("/proc/self/exe", &program)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    // Theirs, as a program somebody has built is: what is inside must not be able to change it all the same.
    std::os::unix::fs::chown(&program, Some(USER), Some(USER))?;

    let mut script = String::from("set -e\n");
    let mut path = String::from("/nonexistent");
    if ids_set_aside {
        let needed = ["/etc/subuid", "/etc/subgid", "/etc/passwd"];
        let tool = ["/usr/bin/newuidmap", "/bin/newuidmap"]
            .into_iter()
            .any(|tool| Path::new(tool).exists());
        if !tool || !needed.iter().all(|file| Path::new(file).exists()) {
            skipped("all_again_as_an_ordinary_user_with_ids_set_aside: newuidmap is not installed");
            return Ok(());
        }
        // In a mount namespace of its own: the files of the host stay as they are.
        let passwd = std::fs::read_to_string("/etc/passwd")?;
        let account = format!("sandboxtests:x:{USER}:{USER}::/nonexistent:/bin/sh\n");
        for (file, content) in needed
            .into_iter()
            .zip([SUBORDINATE, SUBORDINATE, &(passwd + &account)])
        {
            let ours = directory.path().join(file.replace('/', "_"));
            std::fs::write(&ours, content)?;
            script += &format!("mount --bind {} {file}\n", ours.display());
        }
        path = String::from("/usr/bin:/bin");
    }
    script += &format!(
        "exec setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps -all \
        env -i PATH={path} TMPDIR={directory} {program} --test-threads 4\n",
        directory = directory.path().display(),
        program = program.display(),
    );
    if !Path::new("/usr/bin/setpriv").exists() || !Path::new("/usr/bin/unshare").exists() {
        skipped("all_again_as_an_ordinary_user: setpriv or unshare is not installed");
        return Ok(());
    }
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    // Its own words about what it skipped, and what it found missing.
    for line in text
        .lines()
        .filter(|line| line.starts_with("skipped:") || line.starts_with("missing:"))
    {
        println!("as an ordinary user: {line}");
    }
    let expected = if ids_set_aside { "user ids of its own" } else { "" };
    if ids_set_aside && text.contains(expected) {
        return Err(Failed::from(format!("the ids set aside were not used:\n{text}")));
    }
    if !output.status.success() {
        return Err(Failed::from(text.into_owned()));
    }
    Ok(())
}

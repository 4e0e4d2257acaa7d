//! The suite once more, without root's powers.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use crate::house::House;

/// Belongs to nobody on an ordinary machine.
const NOBODYS_ID: u32 = 54_321;

/// None where we are an ordinary user already.
pub(crate) fn trials(_: &Arc<House>) -> Vec<Trial> {
    let trial = || Trial::test("suite_holds_as_an_ordinary_user", run);
    let is_root = rustix::process::geteuid().is_root();
    is_root.then(trial).into_iter().collect()
}

fn run() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755))?;
    // Our own file may lie where the other user may not go.
    let program = directory.path().join("suite");
    std::fs::copy("/proc/self/exe", &program)?;
    let home = directory.path().join("home");
    std::fs::create_dir(&home)?;
    std::os::unix::fs::chown(&home, Some(NOBODYS_ID), Some(NOBODYS_ID))?;
    let output = Command::new(&program)
        .uid(NOBODYS_ID)
        .gid(NOBODYS_ID)
        .current_dir(&home)
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .env_remove("XDG_RUNTIME_DIR")
        // Root's, and counted for what root sees.
        .env_remove(sandbox_api_contract::coverage::VARIABLE)
        .output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    for line in stdout.lines().filter(|line| line.starts_with("skipped:")) {
        println!("{line} (as an ordinary user)");
    }
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}\n{stdout}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

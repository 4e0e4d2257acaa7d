//! Real images, made with umoci from what is installed on this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Whether images can be made here. In CI they have to be.
#[must_use]
pub fn can_be_made() -> bool {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    std::env::var_os("CI").is_some() || ["umoci", "tar"].into_iter().all(there) && Path::new(BUSYBOX).exists()
}

/// Statically linked, from Debian's package busybox-static.
const BUSYBOX: &str = "/bin/busybox";

/// An image in the OCI layout, tagged `latest`: one layer of what `fill` puts into a directory, and a configuration in
/// the words of `umoci config`.
pub fn make(fill: impl FnOnce(&Path), config: &[&str]) -> TempDir {
    let layout = tempfile::tempdir().unwrap();
    let (tree, layer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(tree.path());
    let layer = layer.path().join("layer.tar");
    run(Command::new("tar")
        .args(["--owner=0", "--group=0", "--numeric-owner", "-cf"])
        .arg(&layer)
        .arg("-C")
        .arg(tree.path())
        .arg("."));
    fs::remove_dir(layout.path()).unwrap();
    let image = format!("{}:latest", layout.path().display());
    run(Command::new("umoci")
        .args(["init", "--layout"])
        .arg(layout.path()));
    run(Command::new("umoci").args(["new", "--image", &image]));
    run(Command::new("umoci")
        .args(["raw", "add-layer", "--image", &image])
        .arg(&layer));
    if !config.is_empty() {
        run(Command::new("umoci")
            .args(["config", "--image", &image])
            .args(config));
    }
    layout
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// One statically linked program and nothing else: `/busybox`.
pub fn one_program(tree: &Path) {
    fs::copy(BUSYBOX, tree.join("busybox")).unwrap();
}

/// A shell and the usual programs, without any library.
pub fn busybox(tree: &Path) {
    let bin = tree.join("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
    let applets = Command::new(BUSYBOX).arg("--list").output().unwrap();
    for applet in String::from_utf8(applets.stdout).unwrap().lines() {
        if applet != "busybox" {
            symlink("busybox", bin.join(applet)).unwrap();
        }
    }
    fs::create_dir(tree.join("tmp")).unwrap();
    fs::set_permissions(tree.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
}

/// Debian's Python with bash and the programs that scripts call.
pub fn python(tree: &Path) {
    for part in [
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "usr/sbin",
        "etc",
        "root",
        "var/tmp",
    ] {
        fs::create_dir_all(tree.join(part)).unwrap();
    }
    for part in ["bin", "lib", "lib64", "sbin"] {
        symlink(format!("usr/{part}"), tree.join(part)).unwrap();
    }
    fs::set_permissions(tree.join("var/tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    for program in [
        "python3", "bash", "sh", "cat", "cp", "ls", "true", "sleep", "id", "env", "mkdir", "rm", "mount",
        "unshare",
    ] {
        program_with_libraries(&Path::new("/usr/bin").join(program), tree);
    }
    let library = version_directory();
    let copied = tree.join("usr/lib").join(library.file_name().unwrap());
    run(Command::new("cp").arg("-rL").arg(&library).arg(&copied));
    for left_out in ["test", "idlelib", "lib2to3", "pydoc_data", "__pycache__"] {
        drop(fs::remove_dir_all(copied.join(left_out)));
    }
    for module in fs::read_dir(copied.join("lib-dynload"))
        .into_iter()
        .flatten()
        .flatten()
    {
        libraries(&module.path(), tree);
    }
}

/// Python's standard library, such as `/usr/lib/python3.11`.
fn version_directory() -> std::path::PathBuf {
    let found = fs::canonicalize("/usr/bin/python3").unwrap();
    Path::new("/usr/lib").join(found.file_name().unwrap())
}

fn program_with_libraries(program: &Path, tree: &Path) {
    copy(program, tree);
    libraries(program, tree);
}

fn libraries(of: &Path, tree: &Path) {
    let output = Command::new("ldd").arg(of).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    for library in output.split_whitespace().filter(|word| word.starts_with('/')) {
        copy(Path::new(library), tree);
    }
}

fn copy(file: &Path, tree: &Path) {
    let to = tree.join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if !to.exists() {
        fs::copy(file, to).unwrap();
    }
}

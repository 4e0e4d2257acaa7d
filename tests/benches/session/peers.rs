//! The programs that are measured beside ours.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A command that starts `true` in its own way.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) slow: bool,
    arguments: Vec<String>,
    _image: Option<Image>,
}

impl Peer {
    /// The floor: a process of this machine, not isolated at all.
    pub(crate) fn fork_and_exec() -> Self {
        Self {
            name: "fork + exec",
            slow: false,
            arguments: vec!["/bin/true".to_owned()],
            _image: None,
        }
    }

    pub(crate) fn bwrap() -> Option<Self> {
        let arguments = "bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin \
             --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp /bin/true";
        Self::installed("bwrap, create + true", false, arguments, None)
    }

    /// With the smallest image there can be, which is in its store before the first round.
    pub(crate) fn podman() -> Option<Self> {
        let image = Image::import()?;
        // Its own defaults raise limits, which a root without CAP_SYS_RESOURCE may not.
        let arguments = format!(
            "podman run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 {} /bin/true",
            image.0
        );
        Self::installed("podman run --network none", true, &arguments, Some(image))
    }

    /// Runs it once; the peer if that worked.
    fn installed(name: &'static str, slow: bool, arguments: &str, image: Option<Image>) -> Option<Self> {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        let peer = Self {
            name,
            slow,
            arguments,
            _image: image,
        };
        succeeded(name, peer.command().stderr(Stdio::piped()).output()).then_some(peer)
    }

    pub(crate) fn run(&self) {
        let status = self.command().status().expect("the peer runs");
        assert!(status.success(), "{}: {status}", self.name);
    }

    fn command(&self) -> Command {
        let (program, arguments) = self.arguments.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// An image of the host's `true` and its libraries in podman's store, removed again when this is dropped.
struct Image(String);

impl Image {
    fn import() -> Option<Self> {
        let root = tempfile::tempdir().expect("a directory");
        for file in libraries_of("/bin/true")
            .into_iter()
            .chain(["/bin/true".to_owned()])
        {
            let copy = root.path().join(file.trim_start_matches('/'));
            std::fs::create_dir_all(copy.parent().expect("a parent")).expect("a directory");
            std::fs::copy(&file, copy).expect("a copy");
        }
        let archive = root.path().with_extension("tar");
        let packed = Command::new("tar")
            .arg("-C")
            .arg(root.path())
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .output();
        assert!(packed.expect("tar is installed").status.success());
        let name = format!("sandbox-bench-{}", std::process::id());
        let imported = Command::new("podman")
            .arg("import")
            .arg(&archive)
            .arg(&name)
            .output();
        std::fs::remove_file(&archive).expect("it is removed");
        succeeded("podman import", imported).then_some(Self(name))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("podman").args(["rmi", "--force", &self.0]).output();
    }
}

/// The files that the loader would map for a program.
fn libraries_of(program: &str) -> Vec<String> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .expect("ldd is installed");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    words
        .split_whitespace()
        .filter(|word| Path::new(word).is_file())
        .map(str::to_owned)
        .collect()
}

fn succeeded(what: &str, output: std::io::Result<Output>) -> bool {
    match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => println!(
            "skipped: {what}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        Err(error) => println!("skipped: {what}: {error}"),
    }
    false
}

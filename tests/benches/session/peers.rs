//! The programs that are measured beside ours.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A command that starts `true` in its own way.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) slow: bool,
    arguments: Vec<String>,
    _root: Option<TempDir>,
}

impl Peer {
    /// The floor: a process of this machine, not isolated at all.
    pub(crate) fn fork_and_exec() -> Self {
        Self {
            name: "fork + exec",
            slow: false,
            arguments: vec!["/bin/true".to_owned()],
            _root: None,
        }
    }

    pub(crate) fn bwrap() -> Option<Self> {
        let arguments = "bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin \
             --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp /bin/true";
        Self::installed(Self {
            name: "bwrap, create + true",
            slow: false,
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            _root: None,
        })
    }

    /// With the host's `/usr`, as our sessions have it, so that no image needs to be there.
    pub(crate) fn podman() -> Option<Self> {
        let root = tempfile::tempdir().expect("a directory");
        for name in ["bin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), root.path().join(name)).expect("a link");
        }
        for name in ["usr", "etc", "proc", "sys", "dev", "run", "tmp"] {
            std::fs::create_dir(root.path().join(name)).expect("a directory");
        }
        // Its own defaults raise limits, which a root without CAP_SYS_RESOURCE may not.
        let before = "podman run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
             --volume /usr:/usr:ro --rootfs";
        let mut arguments: Vec<_> = before.split_whitespace().map(str::to_owned).collect();
        arguments.extend([root.path().display().to_string(), "/bin/true".to_owned()]);
        Self::installed(Self {
            name: "podman run --network none",
            slow: true,
            arguments,
            _root: Some(root),
        })
    }

    /// Runs it once; the peer if that worked.
    fn installed(peer: Self) -> Option<Self> {
        let output = peer.command().stderr(Stdio::piped()).output();
        match output {
            Ok(output) if output.status.success() => Some(peer),
            Ok(output) => {
                println!(
                    "skipped: {}: {}",
                    peer.name,
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("skipped: {}: {error}", peer.name);
                None
            }
        }
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

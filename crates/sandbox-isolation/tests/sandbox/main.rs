//! Sandboxes from both sides: what works inside, what does not, and what is left when they are gone.
//!
//! Everything runs as the user that runs the tests. Root runs all of it again as an ordinary user, with and without
//! user ids set aside for that user.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod agent;
mod image;
mod inside;
mod lifecycle;
mod ordinary;
mod probes;

use std::fs::File;
use std::io::Write;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use rustix::fs::{Mode, OFlags};
use sandbox_isolation::{Host, INIT_ARGUMENT, LaunchSpec, Lifeline, Limits, RootFs, Sandbox};
use tempfile::TempDir;

use crate::agent::{Answer, Kind};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(INIT_ARGUMENT) => sandbox_isolation::enter(agent::run),
        Some("__probe") => return probes::run(&arguments.next().unwrap_or_default()),
        Some("__launcher") => return lifecycle::launcher(&arguments.collect::<Vec<_>>()),
        _ => {}
    }
    let _inherited = inherited();
    let mut arguments = Arguments::from_args();
    // Many sandboxes at once are a test of their own.
    arguments.test_threads.get_or_insert(4);
    let mut trials: Vec<Trial> = Vec::new();
    let images = tempfile::tempdir().unwrap();
    match Host::probe() {
        Ok(host) => {
            let ground = Ground { host, tree: None };
            let with_image = Ground {
                tree: Some(image::hosts_programs(images.path())),
                ..ground.clone()
            };
            for (name, test) in inside::TESTS {
                trials.push(trial((*name).to_owned(), *test, &ground));
                trials.push(trial(format!("with_an_image::{name}"), *test, &with_image));
            }
            for (name, test) in inside::HOSTS.iter().chain(lifecycle::TESTS) {
                trials.push(trial((*name).to_owned(), *test, &ground));
            }
            for (name, test) in image::TESTS {
                trials.push(trial(format!("with_an_image::{name}"), *test, &with_image));
            }
            for missing in &ground.capabilities().missing {
                println!("missing: {}: {} ({})", missing.what, missing.why, missing.remedy);
            }
        }
        Err(error) => skipped(&format!(
            "everything: {error}: {:?}",
            std::error::Error::source(&error)
        )),
    }
    trials.extend(ordinary::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A file of the host that every process has open which is started from here, as if this one had been given it.
fn inherited() -> OwnedFd {
    rustix::fs::open("/etc/passwd", OFlags::RDONLY, Mode::empty()).unwrap()
}

/// A host, and what sandboxes have for their root.
#[derive(Clone)]
struct Ground {
    host: Host,
    /// Instead of the host's programs.
    tree: Option<Arc<Path>>,
}

impl Deref for Ground {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

type Test = fn(&Ground);

fn trial(name: String, test: Test, ground: &Ground) -> Trial {
    let ground = ground.clone();
    Trial::test(name, move || {
        test(&ground);
        Ok(())
    })
}

fn skipped(why: &str) {
    // Straight to the standard output: a test that passes shows nothing else.
    let _ = writeln!(std::io::stdout(), "skipped: {why}");
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const LIMITS: Limits = Limits {
    memory_bytes: 128 << 20,
    disk_bytes: 16 << 20,
    pids: 64,
    cpu_millis: 2000,
    open_files: 256,
};

/// A name nobody else uses at the same time.
fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A sandbox and the socket of its agent.
struct Running {
    sandbox: Sandbox,
    lifeline: Option<Lifeline>,
    directory: TempDir,
}

impl Running {
    fn new(host: &Ground) -> Self {
        Self::with(host, LIMITS, Vec::new())
    }

    fn with(host: &Ground, limits: Limits, extra: Vec<PathBuf>) -> Self {
        Self::try_with(host, &unique_name(), Path::new("/proc/self/exe"), limits, extra)
            .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
    }

    fn try_with(
        host: &Ground,
        name: &str,
        program: &Path,
        limits: Limits,
        extra: Vec<PathBuf>,
    ) -> Result<Self, sandbox_isolation::Error> {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("agent")).unwrap();
        // Stands for whatever lock keeps a tree.
        let lease = File::create(directory.path().join("lease")).unwrap();
        let rootfs = match &host.tree {
            None => RootFs::HostUsr { extra },
            Some(tree) => RootFs::Image {
                tree: tree.to_path_buf(),
                lease: lease.as_fd(),
            },
        };
        let launched = host.launch(LaunchSpec {
            name,
            program,
            limits,
            rootfs,
            listener: listener.as_fd(),
            payload: b"secret of the launcher",
        })?;
        Ok(Self {
            sandbox: launched.sandbox,
            lifeline: Some(launched.lifeline),
            directory,
        })
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("agent")
    }

    fn ask(&self, kind: Kind, text: &str) -> Answer {
        agent::ask(&self.socket(), kind, text).unwrap()
    }

    /// The output of a script that has to succeed.
    fn shell(&self, script: &str) -> String {
        let Answer { output, status } = self.ask(Kind::Shell, script);
        assert_eq!(status, 0, "{script}: {output}");
        output
    }

    fn pid(&self) -> u32 {
        self.sandbox.handle().pid()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let destroyed = self.sandbox.destroy();
        if !std::thread::panicking() {
            destroyed.unwrap();
        }
    }
}

/// By another process: a file that this one has open for writing is open in the children of its other threads as well
/// for a moment, and cannot be executed then.
fn copy_program(to: &Path) {
    let program = std::env::current_exe().unwrap();
    assert!(
        std::process::Command::new("/bin/cp")
            .arg(program)
            .arg(to)
            .status()
            .unwrap()
            .success()
    );
}

/// The directories of the host's control groups whose name holds `name`.
fn cgroups_named(name: &str) -> Vec<PathBuf> {
    fn search(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().contains(name) {
                    found.push(entry.path());
                }
                search(&entry.path(), name, found);
            }
        }
    }
    let mut found = Vec::new();
    search(Path::new("/sys/fs/cgroup"), name, &mut found);
    found
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

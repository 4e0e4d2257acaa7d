//! How long a sandbox takes, beside what no sandbox can do without: starting a process.
//!
//! `cargo bench -p sandbox-isolation`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use sandbox_isolation::{Host, INIT_ARGUMENT, Inside, LaunchSpec, Launched, Limits, RootFs};

const ROUNDS: usize = 100;

fn main() {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == INIT_ARGUMENT)
    {
        sandbox_isolation::enter(idle);
    }
    let host = match Host::probe() {
        Ok(host) => host,
        Err(error) => return println!("skipped: {error}"),
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("medians of {ROUNDS}; load {}", load.trim());
    let floor = median(|| assert!(Command::new("/bin/true").status().unwrap().success()));
    let launch = median(|| launch(&host).sandbox.destroy().unwrap());
    println!("start a process and wait for it   {floor:>10.2?}");
    println!(
        "launch and destroy a sandbox      {launch:>10.2?}  ({:.1} times)",
        launch.as_secs_f64() / floor.as_secs_f64()
    );
}

/// The smallest agent there is: it lives until its launcher does not.
fn idle(inside: Inside) -> ExitCode {
    let _ = std::fs::File::from(inside.lifeline).read(&mut [0]);
    ExitCode::SUCCESS
}

fn launch(host: &Host) -> Launched {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("agent")).unwrap();
    let limits = Limits {
        memory_bytes: 128 << 20,
        disk_bytes: 16 << 20,
        pids: 64,
        cpu_millis: 1000,
        open_files: 256,
    };
    host.launch(LaunchSpec {
        name: &format!("bench-{}", std::process::id()),
        program: Path::new("/proc/self/exe"),
        limits,
        rootfs: RootFs::HostUsr { extra: Vec::new() },
        listener: listener.as_fd(),
        payload: b"",
    })
    .unwrap()
}

fn median(mut action: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            action();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

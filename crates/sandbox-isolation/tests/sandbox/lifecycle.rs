//! How sandboxes begin and end, and what is left of them.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions};
use sandbox_isolation::{Error, Handle, Host};

use crate::agent::{self, Kind};
use crate::{
    Ground, LIMITS, Running, Test, cgroups_named, copy_program, eventually, open_descriptors, skipped,
    unique_name,
};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "a_replaced_program_still_starts_itself",
        a_replaced_program_still_starts_itself,
    ),
    ("destroying_leaves_nothing", destroying_leaves_nothing),
    (
        "destroying_twice_and_at_once_is_fine",
        destroying_twice_and_at_once_is_fine,
    ),
    ("dropping_the_lifeline_ends_it", dropping_the_lifeline_ends_it),
    (
        "a_released_sandbox_lives_on_and_is_adopted",
        a_released_sandbox_lives_on_and_is_adopted,
    ),
    (
        "a_killed_launcher_leaves_nothing",
        a_killed_launcher_leaves_nothing,
    ),
    (
        "a_launcher_killed_at_any_moment_leaves_nothing",
        a_launcher_killed_at_any_moment_leaves_nothing,
    ),
    ("a_failed_launch_leaves_nothing", a_failed_launch_leaves_nothing),
    (
        "invalid_specifications_are_refused",
        invalid_specifications_are_refused,
    ),
    (
        "freezes_the_user_and_not_the_agent",
        freezes_the_user_and_not_the_agent,
    ),
    ("counts_what_is_used", counts_what_is_used),
    ("sweeps_by_name", sweeps_by_name),
    ("a_hundred_at_once", a_hundred_at_once),
    (
        "leaks_no_descriptor_and_no_child",
        leaks_no_descriptor_and_no_child,
    ),
    ("an_idle_first_process_is_small", an_idle_first_process_is_small),
];

const OWN: &str = "/proc/self/exe";

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn destroying_leaves_nothing(host: &Ground) {
    let running = Running::new(host);
    let (pid, name) = (running.pid(), running.sandbox.handle().name().to_owned());
    running.ask(Kind::Shell, "setsid sleep 1000 > /dev/null 2>&1 & echo started");
    running.sandbox.destroy().unwrap();
    assert!(!running.sandbox.is_alive() && !exists(pid));
    assert_eq!(cgroups_named(&name), Vec::<PathBuf>::new());
    assert!(
        !std::fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains(&name)
    );
}

fn destroying_twice_and_at_once_is_fine(host: &Ground) {
    let running = Running::new(host);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| running.sandbox.destroy()))
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap().unwrap());
    });
    running.sandbox.destroy().unwrap();
}

fn dropping_the_lifeline_ends_it(host: &Ground) {
    let mut running = Running::new(host);
    running.ask(Kind::Shell, "setsid sleep 1000 > /dev/null 2>&1 & echo started");
    drop(running.lifeline.take());
    eventually("it ends", || !running.sandbox.is_alive());
}

/// A process that launches a sandbox, says where it is, and waits to be killed, or lets the sandbox go and exits.
pub(crate) fn launcher(arguments: &[String]) -> ExitCode {
    let [directory, name, what] = arguments else {
        return ExitCode::FAILURE;
    };
    if what == "replace" {
        std::fs::remove_file(std::env::current_exe().unwrap()).unwrap();
    }
    if what == "count" {
        return count_descriptors();
    }
    let host = Host::probe().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(Path::new(directory).join("agent")).unwrap();
    // A sandbox is for its user, however private the files are that its launcher makes.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let launched = host
        .launch(sandbox_isolation::LaunchSpec {
            name,
            program: Path::new("/proc/self/exe"),
            limits: LIMITS,
            rootfs: sandbox_isolation::RootFs::HostUsr { extra: Vec::new() },
            listener: listener.as_fd(),
            payload: b"",
        })
        .unwrap();
    println!("{}", serde_json::to_string(launched.sandbox.handle()).unwrap());
    if what != "wait" {
        launched.lifeline.release().unwrap();
        return ExitCode::SUCCESS;
    }
    std::thread::sleep(Duration::from_secs(600));
    drop(launched);
    ExitCode::FAILURE
}

fn start_launcher(program: &Path, directory: &Path, name: &str, what: &str) -> (Child, Handle) {
    let mut child = Command::new(program)
        .args(["__launcher", directory.to_str().unwrap(), name, what])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn a_released_sandbox_lives_on_and_is_adopted(host: &Ground) {
    let directory = tempfile::tempdir().unwrap();
    let (mut launcher, handle) = start_launcher(Path::new(OWN), directory.path(), &unique_name(), "release");
    assert!(launcher.wait().unwrap().success());
    let sandbox = host.adopt(&handle).unwrap().expect("it lives on");
    let answer = agent::ask(&directory.path().join("agent"), Kind::Shell, "echo still here").unwrap();
    assert_eq!(answer.output, "still here\n");
    sandbox.destroy().unwrap();
    assert!(host.adopt(&handle).unwrap().is_none());
    assert_eq!(cgroups_named(handle.name()), Vec::<PathBuf>::new());
}

/// As when the program is upgraded while a server runs.
fn a_replaced_program_still_starts_itself(host: &Ground) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    copy_program(&program);
    let (mut launcher, handle) = start_launcher(&program, directory.path(), &unique_name(), "replace");
    assert!(launcher.wait().unwrap().success() && !program.exists());
    let sandbox = host.adopt(&handle).unwrap().expect("it lives on");
    let answer = agent::ask(&directory.path().join("agent"), Kind::Own, "threads").unwrap();
    sandbox.destroy().unwrap();
    assert_eq!((answer.output.as_str(), answer.status), ("", 0));
}

fn a_killed_launcher_leaves_nothing(host: &Ground) {
    let directory = tempfile::tempdir().unwrap();
    let name = unique_name();
    let (mut launcher, handle) = start_launcher(Path::new(OWN), directory.path(), &name, "wait");
    assert!(host.adopt(&handle).unwrap().is_some());
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    eventually("the sandbox ends", || host.adopt(&handle).unwrap().is_none());
    // The next to come tidies up, unless somebody is launching at that moment.
    eventually("its empty groups are removed", || {
        Host::probe().unwrap();
        cgroups_named(&name).is_empty()
    });
}

fn a_launcher_killed_at_any_moment_leaves_nothing(host: &Ground) {
    if !host.capabilities().pause {
        return skipped(
            "a_launcher_killed_at_any_moment_leaves_nothing: nothing tells its processes from others",
        );
    }
    let name = unique_name();
    for round in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let mut launcher = Command::new(OWN)
            .args([
                "__launcher",
                directory.path().to_str().unwrap(),
                &format!("{name}-{round}"),
                "wait",
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(500 * round));
        launcher.kill().unwrap();
        launcher.wait().unwrap();
    }
    eventually("all processes end", || !any_process_in(&name));
    eventually("all groups are removed", || {
        Host::probe().unwrap();
        cgroups_named(&name).is_empty()
    });
    for trial in cgroups_named("trial-") {
        let maker = trial
            .file_name()
            .unwrap()
            .to_string_lossy()
            .split('-')
            .nth(1)
            .unwrap()
            .to_owned();
        eventually("no trial is left by one that was killed", || {
            Host::probe().unwrap();
            !trial.exists() || Path::new("/proc").join(&maker).exists()
        });
    }
}

/// Whether there is a process in a control group whose name holds `name`.
fn any_process_in(name: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("cgroup")).ok())
        .any(|groups| groups.contains(name))
}

fn a_failed_launch_leaves_nothing(host: &Ground) {
    let name = unique_name();
    let launch = |program: &str, extra: Vec<PathBuf>| {
        Running::try_with(host, &name, Path::new(program), LIMITS, extra)
            .err()
            .expect("it fails")
    };
    let error = launch("/nonexistent/program", Vec::new());
    assert!(
        matches!(&error, Error::Step { path: Some(path), .. } if path.ends_with("program")),
        "{error:?}"
    );
    assert!(matches!(launch("/bin/true", Vec::new()), Error::EndedEarly));
    let error = launch("/proc/self/exe", vec![PathBuf::from("/nonexistent/extra")]);
    let Error::Step {
        path: Some(path),
        source,
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        (path.to_str(), source.kind()),
        (Some("/nonexistent/extra"), std::io::ErrorKind::NotFound)
    );
    assert_eq!(cgroups_named(&name), Vec::<PathBuf>::new());
}

fn invalid_specifications_are_refused(host: &Ground) {
    let launch =
        |name: &str, limits| Running::try_with(host, name, Path::new("/bin/true"), limits, Vec::new());
    for name in ["", "A", "a/b", "../x"] {
        assert!(
            matches!(launch(name, LIMITS), Err(Error::Invalid { .. })),
            "{name}"
        );
        assert!(host.sweep(name).is_err(), "{name}");
    }
    let limits = sandbox_isolation::Limits { pids: 1, ..LIMITS };
    let error = launch("a", limits).err().unwrap();
    assert_eq!(error.to_string(), "pids is not valid: 1 is below 8");
}

fn freezes_the_user_and_not_the_agent(host: &Ground) {
    let running = Running::new(host);
    if !host.capabilities().pause {
        assert!(matches!(running.sandbox.freeze(), Err(Error::Unsupported { .. })));
        return skipped("freezes_the_user_and_not_the_agent: there are no control groups for this user");
    }
    running.shell("(while :; do echo >> /tmp/ticks; sleep 0.01; done) > /dev/null 2>&1 &");
    let used = || running.sandbox.stats().unwrap().cpu_time.unwrap();
    running.sandbox.freeze().unwrap();
    assert_eq!(
        running.ask(Kind::Payload, "").output,
        "secret of the launcher",
        "the agent answers"
    );
    let start = used();
    std::thread::sleep(Duration::from_millis(300));
    let frozen = used() - start;
    running.sandbox.freeze().unwrap();
    running.sandbox.thaw().unwrap();
    let start = used();
    eventually("it runs again", || {
        used() > start + frozen * 2 + Duration::from_millis(5)
    });
    running.sandbox.freeze().unwrap();
    // Destroying what is frozen works as well: on drop.
}

fn counts_what_is_used(host: &Ground) {
    let running = Running::new(host);
    let stats = running.sandbox.stats().unwrap();
    let capabilities = host.capabilities();
    assert_eq!(
        stats.memory_bytes.is_some(),
        capabilities.memory_limit,
        "{stats:?}"
    );
    assert_eq!(stats.pids.is_some(), capabilities.pids_limit, "{stats:?}");
    assert_eq!(stats.cpu_time.is_some(), capabilities.pause, "{stats:?}");
    if let (Some(memory), Some(pids)) = (stats.memory_bytes, stats.pids) {
        running.shell("head -c 8m /dev/zero > /tmp/x; setsid sleep 1000 > /dev/null 2>&1 &");
        let after = running.sandbox.stats().unwrap();
        assert!(after.memory_bytes.unwrap() > memory + (4 << 20), "{after:?}");
        assert!(after.pids.unwrap() > pids, "{after:?}");
    }
}

fn sweeps_by_name(host: &Ground) {
    let running = Running::new(host);
    let name = running.sandbox.handle().name().to_owned();
    host.sweep(&unique_name()).unwrap();
    assert!(running.sandbox.is_alive());
    if !host.capabilities().pause {
        return skipped("sweeps_by_name: there are no control groups for this user");
    }
    host.sweep(&name).unwrap();
    eventually("it ends", || !running.sandbox.is_alive());
    assert_eq!(cgroups_named(&name), Vec::<PathBuf>::new());
}

fn a_hundred_at_once(host: &Ground) {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let batch: Vec<_> = (0..10).map(|_| Running::new(host)).collect();
                for running in &batch {
                    assert_eq!(running.shell("echo $((6 * 7))"), "42\n");
                }
            });
        }
    });
    let _ = writeln!(
        std::io::stdout(),
        "a hundred sandboxes with a command each: {:?}",
        started.elapsed()
    );
}

fn leaks_no_descriptor_and_no_child(_: &Ground) {
    // In a process of its own, since the other tests open descriptors too.
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(OWN)
        .args([
            "__launcher",
            directory.path().to_str().unwrap(),
            &unique_name(),
            "count",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Compares the number of open descriptors before and after twenty sandboxes and as many failures.
fn count_descriptors() -> ExitCode {
    let host = Ground {
        host: Host::probe().unwrap(),
        tree: None,
    };
    // From the second launch on there is a spare helper, as soon as there was time for it.
    for _ in 0..2 {
        drop(Running::new(&host));
    }
    eventually("there is a spare helper", has_child);
    let before = open_descriptors();
    for _ in 0..20 {
        drop(Running::new(&host));
        let failed = Running::try_with(&host, &unique_name(), Path::new("/bin/true"), LIMITS, Vec::new());
        assert!(failed.is_err());
    }
    eventually("there are no more descriptors than before", || {
        open_descriptors() <= before
    });
    drop(host);
    eventually("there is no child", || !has_child());
    ExitCode::SUCCESS
}

fn has_child() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(rustix::process::waitid(WaitId::All, look), Err(Errno::CHILD))
}

fn an_idle_first_process_is_small(host: &Ground) {
    let running = Running::new(host);
    let Ok(memory) = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", running.pid())) else {
        return skipped("an_idle_first_process_is_small: this user may not look at it");
    };
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    let _ = writeln!(
        std::io::stdout(),
        "private memory of an idle first process: {kib} KiB"
    );
    assert!(kib < 1024, "{memory}");
}

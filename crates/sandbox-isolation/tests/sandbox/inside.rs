//! What a process of the sandbox's user finds, and what it may not do.

use std::time::Instant;

use sandbox_isolation::{IdMapping, KillScope, Limits, Signal};

use crate::agent::Kind;
use crate::{Ground, LIMITS, Running, Test, skipped};

pub(crate) const TESTS: &[(&str, Test)] = &[
    (
        "kills_programs_of_other_architectures",
        kills_programs_of_other_architectures,
    ),
    ("runs_as_the_sandbox_user", runs_as_the_sandbox_user),
    ("has_no_capabilities", has_no_capabilities),
    ("has_its_own_namespaces", has_its_own_namespaces),
    ("sees_only_its_own_processes", sees_only_its_own_processes),
    ("usual_programs_work", usual_programs_work),
    ("refuses_system_calls", refuses_system_calls),
    ("refuses_sockets_and_networks", refuses_sockets_and_networks),
    ("protects_the_executable", protects_the_executable),
    ("threads_and_children_work", threads_and_children_work),
    ("terminals_belong_to_the_user", terminals_belong_to_the_user),
    ("limits_the_disk", limits_the_disk),
    ("limits_processes", limits_processes),
    ("limits_memory", limits_memory),
    ("limits_processor_time", limits_processor_time),
    ("limits_files_and_core_dumps", limits_files_and_core_dumps),
    ("kills_whatever_tried_to_escape", kills_whatever_tried_to_escape),
    ("kills_a_fork_bomb", kills_a_fork_bomb),
    (
        "a_killed_supervisor_takes_all_along",
        a_killed_supervisor_takes_all_along,
    ),
    (
        "the_first_process_cannot_be_touched",
        the_first_process_cannot_be_touched,
    ),
    (
        "the_first_process_holds_nothing_of_the_host",
        the_first_process_holds_nothing_of_the_host,
    ),
    ("failures_to_execute_are_told", failures_to_execute_are_told),
];

/// What holds where the programs are the host's.
pub(crate) const HOSTS: &[(&str, Test)] = &[
    ("writes_only_where_it_may", writes_only_where_it_may),
    ("sees_nothing_of_the_host", sees_nothing_of_the_host),
    ("shows_extra_paths_read_only", shows_extra_paths_read_only),
];

fn runs_as_the_sandbox_user(host: &Ground) {
    let running = Running::new(host);
    let output = running.shell("id -u; id -g; id -un; hostname; pwd; stat -c %u:%g . ~ /tmp; umask; echo $$");
    let mut lines = output.lines();
    for expected in [
        "1000",
        "1000",
        "sandbox",
        "sandbox",
        "/workspace",
        "1000:1000",
        "1000:1000",
        "1000:1000",
    ] {
        assert_eq!(lines.next(), Some(expected), "{output}");
    }
    if host.capabilities().identity == IdMapping::Range {
        assert_eq!(running.shell("id -G"), "1000\n");
    }
    assert_eq!(running.ask(Kind::Payload, "").output, "secret of the launcher");
    let visible = running.shell("cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n'");
    assert!(!visible.contains("secret"), "{visible}");
}

fn has_no_capabilities(host: &Ground) {
    let status = Running::new(host).shell("cat /proc/self/status");
    let value = |name: &str| {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {status}"));
        line.split_whitespace().nth(1).unwrap()
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(u64::from_str_radix(value(set), 16), Ok(0), "{set}");
    }
    assert_eq!((value("NoNewPrivs:"), value("Seccomp:")), ("1", "2"));
    assert_eq!(
        (value("SigIgn:"), value("SigBlk:")),
        ("0000000000000000", "0000000000000000")
    );
}

fn has_its_own_namespaces(host: &Ground) {
    let running = Running::new(host);
    for namespace in ["user", "mnt", "pid", "ipc", "uts", "net", "cgroup"] {
        let outside = std::fs::read_link(format!("/proc/self/ns/{namespace}")).unwrap();
        let inside = running.shell(&format!("readlink /proc/self/ns/{namespace}"));
        assert_ne!(outside.to_str(), Some(inside.trim()), "{namespace}");
    }
    assert_eq!(running.shell("cat /proc/net/dev | grep -c :"), "1\n");
}

fn sees_only_its_own_processes(host: &Ground) {
    let running = Running::new(host);
    let listed = running.shell("ls /proc | grep '^[0-9]'");
    assert!(
        listed.lines().all(|pid| pid.parse::<u32>().unwrap() < 1000),
        "{listed}"
    );
    if host.capabilities().identity == IdMapping::Range {
        assert!(!listed.lines().any(|pid| pid == "1"), "{listed}");
    }
    let hidden =
        running.shell("cat /proc/kallsyms /proc/keys /proc/timer_list /proc/interrupts 2>/dev/null | wc -c");
    assert_eq!(hidden, "0\n");
}

fn writes_only_where_it_may(host: &Ground) {
    let running = Running::new(host);
    let refused = running.shell(
        "for d in / /usr /usr/bin /usr/local /etc /etc/ssl /dev /dev/pts /proc /proc/sys /proc/sys/kernel /sys /root \
        /run /home /var /mnt /opt; do if (: > $d/x) 2>/dev/null; then echo $d; fi; done; \
        for f in /etc/passwd /etc/hosts /bin/sh /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/1/mem \
        /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/hostname; do \
        if (: >> $f) 2>/dev/null; then echo $f; fi; done",
    );
    assert_eq!(refused, "");
    let written = running.shell(
        "for d in /workspace /home/sandbox /tmp /var/tmp /dev/shm; do echo ok > $d/x && cat $d/x; done; \
        cp /bin/true /tmp/true && /tmp/true && echo executable",
    );
    assert_eq!(written, "ok\nok\nok\nok\nok\nexecutable\n");
    let tricks = running.shell("grep -E ' /(workspace|tmp|home/sandbox|dev/shm|usr) ' /proc/self/mounts");
    for mount in tricks.lines() {
        assert!(mount.contains("nosuid") && mount.contains("nodev"), "{mount}");
    }
    assert_eq!(tricks.lines().count(), 5, "{tricks}");
}

fn sees_nothing_of_the_host(host: &Ground) {
    let running = Running::new(host);
    let directory = running.directory.path().to_str().unwrap();
    let script = format!(
        "ls -A /root /home/sandbox /mnt /media /srv /opt /run /sys /workspace; ls -d /boot /lost+found /.old /.data \
        {directory} /etc/shadow /etc/ssh /etc/sudoers /sys/kernel /dev/sda /dev/vda /dev/mem 2>/dev/null; true"
    );
    let seen = running.shell(&script);
    assert!(
        seen.lines().all(|line| line.is_empty() || line.ends_with(':')),
        "{seen}"
    );
    let mounts = running.shell("cat /proc/self/mountinfo");
    assert!(
        !mounts.contains(directory) && !mounts.contains("target"),
        "{mounts}"
    );
    assert!(!running.shell("ls -A /").contains("old_root"));
    // What a link of another process leads to is that process's to see.
    let links = "ls /proc/1/root/ /proc/1/cwd/ 2>/dev/null; readlink /proc/1/exe /proc/1/fd/*; true";
    assert_eq!(running.shell(links), "");
}

fn usual_programs_work(host: &Ground) {
    let running = Running::new(host);
    let output = running
        .shell("ls / > /dev/null; date +%Y > /dev/null; sort < /etc/passwd | head -1; echo $((6 * 7))");
    assert!(output.ends_with("42\n"), "{output}");
    assert_eq!(
        running.shell("getent hosts localhost > /dev/null; echo $?"),
        "0\n"
    );
    assert_eq!(
        running.shell("cat /etc/hostname; head -c 3 /dev/zero | wc -c; exec 3<>/dev/ptmx; echo terminal"),
        "sandbox\n3\nterminal\n"
    );
}

fn shows_extra_paths_read_only(host: &Ground) {
    // A directory whose parents nobody else may enter, as a home directory often is.
    let outside = tempfile::tempdir().unwrap();
    let tools = outside.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    std::fs::write(tools.join("file"), "shown\n").unwrap();
    std::os::unix::fs::symlink("file", tools.join("link")).unwrap();
    let running = Running::with(host, LIMITS, vec![tools.clone()]);
    let tools = tools.to_str().unwrap();
    assert_eq!(
        running.shell(&format!(
            "cat {tools}/link; (: > {tools}/new) 2>/dev/null || echo refused"
        )),
        "shown\nrefused\n"
    );
}

fn probe(host: &Ground, name: &str) {
    let answer = Running::new(host).ask(Kind::Own, name);
    assert_eq!((answer.output.as_str(), answer.status), ("", 0));
}

fn refuses_system_calls(host: &Ground) {
    probe(host, "system-calls");
}

/// By its numbers, a system call of another architecture could be any.
fn kills_programs_of_other_architectures(host: &Ground) {
    if cfg!(not(target_arch = "x86_64")) {
        return skipped("kills_programs_of_other_architectures: there is no test for this one");
    }
    let status = Running::new(host).ask(Kind::Own, "foreign-call").status;
    let kernel_without_them = 1000 + Signal::SEGV.as_raw();
    assert!(
        [1000 + Signal::SYS.as_raw(), kernel_without_them].contains(&status),
        "{status}"
    );
}

fn refuses_sockets_and_networks(host: &Ground) {
    probe(host, "sockets");
}

fn protects_the_executable(host: &Ground) {
    probe(host, "executable");
}

fn threads_and_children_work(host: &Ground) {
    probe(host, "threads");
}

fn terminals_belong_to_the_user(host: &Ground) {
    let answer = Running::new(host).ask(
        Kind::Terminal,
        "tty; stat -c '%U %a' $(tty); stty size; echo $- > /dev/tty",
    );
    let lines: Vec<_> = answer.output.lines().collect();
    assert_eq!(answer.status, 0, "{}", answer.output);
    assert!(lines[0].starts_with("/dev/pts/"), "{}", answer.output);
    assert_eq!(lines[1..3], ["sandbox 620", "24 80"]);
}

fn limits_the_disk(host: &Ground) {
    let running = Running::new(host);
    let output = running
        .ask(
            Kind::Shell,
            "head -c 32m /dev/zero > /tmp/full; echo more > /workspace/x && cat /workspace/x",
        )
        .output;
    assert!(output.contains("No space left"), "{output}");
    assert!(
        output.matches("No space left").count() >= 2,
        "one limit holds for all of it: {output}"
    );
    assert_eq!(
        running.shell("rm /tmp/full; echo fits > /workspace/x; cat /workspace/x"),
        "fits\n"
    );
    let many = running.ask(
        Kind::Shell,
        "cd /tmp; for i in $(seq 1 20000); do echo > $i || break; done 2>&1 | tail -1",
    );
    assert!(many.output.contains("No space left"), "{}", many.output);
}

fn limits_processes(host: &Ground) {
    let running = Running::new(host);
    let output = running.ask(Kind::Own, "processes").output;
    let started: u32 = output.trim().parse().unwrap_or_else(|_| panic!("{output}"));
    assert!((LIMITS.pids / 2..LIMITS.pids).contains(&started), "{started}");
    assert_eq!(running.shell("echo fine"), "fine\n", "they are gone");
}

fn limits_memory(host: &Ground) {
    let running = Running::new(host);
    let other = Running::new(host);
    // `tail` keeps the last line, however long it is.
    let answer = running.ask(
        Kind::Shell,
        "head -c 400m /dev/zero | tail -n 1 | wc -c; exit ${PIPESTATUS[1]}",
    );
    assert_ne!(answer.status, 0, "{}", answer.output);
    assert_eq!(
        running.shell("echo alive"),
        "alive\n",
        "the sandbox itself survives"
    );
    assert_eq!(other.shell("echo alive"), "alive\n");
}

fn limits_processor_time(host: &Ground) {
    if !host.capabilities().cpu_limit {
        return skipped("limits_processor_time: this host does not limit it for this user");
    }
    let running = Running::with(
        host,
        Limits {
            cpu_millis: 100,
            ..LIMITS
        },
        Vec::new(),
    );
    let Some(before) = running.sandbox.stats().unwrap().cpu_time else {
        return skipped("limits_processor_time: this host does not count it");
    };
    let started = Instant::now();
    running.ask(
        Kind::Shell,
        "timeout 3 bash -c 'while :; do :; done & while :; do :; done'",
    );
    let used = running.sandbox.stats().unwrap().cpu_time.unwrap() - before;
    let share = used.as_secs_f64() / started.elapsed().as_secs_f64();
    assert!(share < 0.3, "{share} of a processor instead of 0.1");
}

fn limits_files_and_core_dumps(host: &Ground) {
    let output = Running::new(host).shell("ulimit -Hn; ulimit -Sn; ulimit -Hc");
    assert_eq!(output, "256\n256\n0\n");
}

fn kills_whatever_tried_to_escape(host: &Ground) {
    let running = Running::new(host);
    let answer = running.ask(
        Kind::ShellKilled,
        "setsid sleep 1001 & (setsid bash -c 'sleep 1002 & sleep 1003' &); env -i /bin/sh -c '(sleep 1004 &)'; \
        (trap '' TERM HUP INT; sleep 1005) & disown -a; echo ready; sleep 1006",
    );
    // The output ended, so nobody has it open any more.
    assert_eq!(
        (answer.output.as_str(), answer.status),
        ("ready\n", 1000 + Signal::KILL.as_raw())
    );
    let left =
        running.shell("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '^100[0-9]$' || true");
    assert_eq!(left, "0\n");
}

fn kills_a_fork_bomb(host: &Ground) {
    let running = Running::new(host);
    let answer = running.ask(
        Kind::ShellKilled,
        // Whoever says that it goes off may itself start nothing any more by then.
        "bomb() { bomb | bomb & }; bomb 2>/dev/null & \
        until set -- /proc/[0-9]*; [ $# -gt 20 ]; do :; done; echo ready; exec sleep 1000",
    );
    assert_eq!(answer.status, 1000 + Signal::KILL.as_raw(), "{}", answer.output);
    // Processes that replace themselves as fast as they can.
    let answer = running.ask(
        Kind::ShellKilled,
        "next() { (next &) ; }; next 2>/dev/null & echo ready; exec sleep 1000",
    );
    assert_eq!(answer.status, 1000 + Signal::KILL.as_raw(), "{}", answer.output);
    assert_eq!(running.shell("echo alive"), "alive\n");
}

fn a_killed_supervisor_takes_all_along(host: &Ground) {
    if host.capabilities().kill_scope != KillScope::Subreaper {
        return skipped("a_killed_supervisor_takes_all_along: there are control groups instead");
    }
    let running = Running::new(host);
    if host.capabilities().identity == IdMapping::Range {
        // It is another user.
        return assert_eq!(
            running.shell("kill -KILL $PPID 2>/dev/null || echo refused"),
            "refused\n"
        );
    }
    let answer = running.ask(Kind::Shell, "setsid sleep 1007 & kill -KILL $PPID; sleep 1008");
    assert_eq!(answer.status, 1000 + Signal::KILL.as_raw(), "{}", answer.output);
    assert_eq!(
        running.shell("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '^100[0-9]$' || true"),
        "0\n"
    );
}

fn the_first_process_cannot_be_touched(host: &Ground) {
    let running = Running::new(host);
    running.ask(
        Kind::Shell,
        "for s in KILL STOP TERM SEGV INT HUP; do kill -$s 1; done; kill -KILL -1",
    );
    assert!(running.sandbox.is_alive());
    let readable =
        running.shell("cat /proc/1/environ /proc/1/maps /proc/1/mem /proc/1/io 2>/dev/null | wc -c");
    assert_eq!(readable, "0\n");
}

fn the_first_process_holds_nothing_of_the_host(host: &Ground) {
    let running = Running::new(host);
    let descriptors = running.ask(Kind::Agent, "fd").output;
    for target in descriptors.lines() {
        let allowed = target.starts_with("socket:")
            || target.starts_with("pipe:")
            || target == "/dev/null"
            || target.starts_with("/proc/")
            // Detached mounts, from which nothing leads anywhere.
            || target == "/"
            // A file, which leads nowhere either.
            || host.tree.is_some() && target.ends_with("/lease")
            || target.is_empty();
        assert!(allowed, "{descriptors}");
    }
    assert_eq!(running.ask(Kind::Agent, "above").output, "");
    assert_eq!(running.ask(Kind::Agent, "environ").output, "");
    assert_eq!(
        running.ask(Kind::Agent, "cmdline").output,
        "sandbox\0__sandbox-init\0"
    );
    let status = running.ask(Kind::Agent, "status").output;
    assert!(
        status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"),
        "{status}"
    );
    let kept = status
        .lines()
        .find_map(|line| line.strip_prefix("CapPrm:\t"))
        .unwrap();
    let expected = match host.capabilities().identity {
        // CAP_KILL, CAP_SETGID, CAP_SETUID
        IdMapping::Range => 0b1110_0000,
        _ => 0,
    };
    assert_eq!(u64::from_str_radix(kept, 16), Ok(expected), "{status}");
}

fn failures_to_execute_are_told(host: &Ground) {
    let running = Running::new(host);
    let answer = running.ask(Kind::Shell, "exec /nonexistent/program");
    assert_eq!(answer.status, 127, "that is the shell's");
    assert_eq!(running.ask(Kind::Shell, "exit 3").status, 3);
    assert_eq!(
        running.ask(Kind::Shell, "kill -TERM $$").status,
        1000 + Signal::TERM.as_raw()
    );
}

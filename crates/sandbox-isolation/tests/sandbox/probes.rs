//! What a process of the sandbox's user tries, from inside, by system calls no shell can make.
#![allow(unsafe_code)]

use std::ffi::c_long;
use std::io;
use std::process::ExitCode;

/// Runs the probes of a name, and writes a line for each that got through.
pub(crate) fn run(name: &str) -> ExitCode {
    let breaches = match name {
        "system-calls" => system_calls(),
        "sockets" => sockets(),
        "executable" => executable(),
        "threads" => threads(),
        "foreign-call" => foreign_call(),
        "processes" => vec![processes().to_string()],
        _ => vec![format!("there is no probe {name}")],
    };
    for breach in &breaches {
        println!("{breach}");
    }
    ExitCode::from(u8::from(!breaches.is_empty()))
}

fn call(number: c_long, arguments: [c_long; 5]) -> i32 {
    let [a, b, c, d, e] = arguments;
    // SAFETY: every pointer passed in these tests is null or to memory that outlives the call; what the calls would do
    // if they were let through is harmless to this process, or is the breach that the test is about.
    match unsafe { libc::syscall(number, a, b, c, d, e) } {
        -1 => io::Error::last_os_error().raw_os_error().unwrap_or_default(),
        _ => 0,
    }
}

fn expect(breaches: &mut Vec<String>, what: &str, got: i32, wanted: i32) {
    if got != wanted {
        let describe = |error: i32| {
            if error == 0 {
                String::from("success")
            } else {
                io::Error::from_raw_os_error(error).to_string()
            }
        };
        breaches.push(format!(
            "{what}: {} instead of {}",
            describe(got),
            describe(wanted)
        ));
    }
}

fn system_calls() -> Vec<String> {
    let mut breaches = Vec::new();
    let path = c"/tmp".as_ptr() as c_long;
    let user = libc::CLONE_NEWUSER as c_long;
    let refused: [(&str, c_long, [c_long; 5]); 36] = [
        (
            "mount",
            libc::SYS_mount,
            [path, path, 0, libc::MS_BIND as c_long, 0],
        ),
        ("umount2", libc::SYS_umount2, [path, 0, 0, 0, 0]),
        ("pivot_root", libc::SYS_pivot_root, [path, path, 0, 0, 0]),
        ("chroot", libc::SYS_chroot, [path, 0, 0, 0, 0]),
        (
            "open_tree",
            libc::SYS_open_tree,
            [libc::AT_FDCWD.into(), path, 1, 0, 0],
        ),
        ("move_mount", libc::SYS_move_mount, [0, path, 0, path, 0]),
        (
            "fsopen",
            libc::SYS_fsopen,
            [c"tmpfs".as_ptr() as c_long, 0, 0, 0, 0],
        ),
        (
            "mount_setattr",
            libc::SYS_mount_setattr,
            [libc::AT_FDCWD.into(), path, 0, 0, 0],
        ),
        ("unshare", libc::SYS_unshare, [user, 0, 0, 0, 0]),
        ("setns", libc::SYS_setns, [0, 0, 0, 0, 0]),
        (
            "clone with a user namespace",
            libc::SYS_clone,
            [user | c_long::from(libc::SIGCHLD), 0, 0, 0, 0],
        ),
        (
            "clone with a network",
            libc::SYS_clone,
            [libc::CLONE_NEWNET as c_long, 0, 0, 0, 0],
        ),
        ("bpf", libc::SYS_bpf, [0, 0, 0, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0, 0, -1, -1, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [0, 0, 0, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]),
        ("io_uring_enter", libc::SYS_io_uring_enter, [0, 0, 0, 0, 0]),
        ("fanotify_init", libc::SYS_fanotify_init, [0, 0, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [0, -3, 0, 0, 0]),
        ("add_key", libc::SYS_add_key, [0, 0, 0, 0, -3]),
        ("request_key", libc::SYS_request_key, [0, 0, 0, 0, 0]),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, [0, 0, 0, 0, 0]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [1, 0, 0, 0, 0]),
        ("process_vm_writev", libc::SYS_process_vm_writev, [1, 0, 0, 0, 0]),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, [0, 0, 0, 0, 0]),
        ("kcmp", libc::SYS_kcmp, [1, 1, 0, 0, 0]),
        ("init_module", libc::SYS_init_module, [0, 0, 0, 0, 0]),
        ("finit_module", libc::SYS_finit_module, [0, 0, 0, 0, 0]),
        ("kexec_load", libc::SYS_kexec_load, [0, 0, 0, 0, 0]),
        ("reboot", libc::SYS_reboot, [0, 0, 0, 0, 0]),
        ("swapon", libc::SYS_swapon, [path, 0, 0, 0, 0]),
        ("acct", libc::SYS_acct, [0, 0, 0, 0, 0]),
        ("syslog", libc::SYS_syslog, [3, 0, 0, 0, 0]),
        ("settimeofday", libc::SYS_settimeofday, [0, 0, 0, 0, 0]),
        ("personality", libc::SYS_personality, [8, 0, 0, 0, 0]),
        (
            "mknodat",
            libc::SYS_mknodat,
            [
                libc::AT_FDCWD.into(),
                c"/tmp/null".as_ptr() as c_long,
                (libc::S_IFCHR | 0o666).into(),
                0x103,
                0,
            ],
        ),
    ];
    for (what, number, arguments) in refused {
        expect(&mut breaches, what, call(number, arguments), libc::EPERM);
    }
    for (what, request) in [
        ("TIOCSTI", libc::TIOCSTI as c_long),
        ("TIOCLINUX", libc::TIOCLINUX as c_long),
    ] {
        expect(
            &mut breaches,
            what,
            call(libc::SYS_ioctl, [0, request, c"x".as_ptr() as c_long, 0, 0]),
            libc::EPERM,
        );
        let disguised = request | (1 << 40);
        expect(
            &mut breaches,
            what,
            call(libc::SYS_ioctl, [0, disguised, c"x".as_ptr() as c_long, 0, 0]),
            libc::EPERM,
        );
    }
    expect(
        &mut breaches,
        "ptrace of PID 1",
        call(libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), 1, 0, 0, 0]),
        libc::EPERM,
    );
    expect(
        &mut breaches,
        "setuid",
        call(libc::SYS_setuid, [0, 0, 0, 0, 0]),
        setuid_error(),
    );
    expect(
        &mut breaches,
        "clone3",
        call(libc::SYS_clone3, [0, 0, 0, 0, 0]),
        libc::ENOSYS,
    );
    #[cfg(target_arch = "x86_64")]
    expect(
        &mut breaches,
        "x32 getpid",
        call(libc::SYS_getpid | 0x4000_0000, [0; 5]),
        libc::ENOSYS,
    );
    expect(
        &mut breaches,
        "asking for the personality",
        call(libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0]),
        0,
    );
    breaches
}

/// Where the sandbox has no user 0 at all, the number itself is not valid.
fn setuid_error() -> i32 {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    if map.split_ascii_whitespace().next() == Some("0") {
        libc::EPERM
    } else {
        libc::EINVAL
    }
}

fn sockets() -> Vec<String> {
    let mut breaches = Vec::new();
    let mut socket = |what: &str, family: i32, kind: i32, protocol: i32, wanted: i32| {
        let got = call(
            libc::SYS_socket,
            [family.into(), kind.into(), protocol.into(), 0, 0],
        );
        expect(&mut breaches, what, got, wanted);
    };
    socket(
        "a raw socket",
        libc::AF_INET,
        libc::SOCK_RAW | libc::SOCK_CLOEXEC,
        libc::IPPROTO_ICMP,
        libc::EPERM,
    );
    socket(
        "a raw socket of version 6",
        libc::AF_INET6,
        libc::SOCK_RAW,
        libc::IPPROTO_ICMPV6,
        libc::EPERM,
    );
    socket(
        "a packet socket",
        libc::AF_PACKET,
        libc::SOCK_DGRAM,
        0,
        libc::EPERM,
    );
    socket("a vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0, libc::EPERM);
    socket(
        "a crypto socket",
        libc::AF_ALG,
        libc::SOCK_SEQPACKET,
        0,
        libc::EPERM,
    );
    socket(
        "an audit socket",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_AUDIT,
        libc::EPERM,
    );
    socket(
        "a route socket",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_ROUTE,
        0,
    );
    socket("a stream socket", libc::AF_INET, libc::SOCK_STREAM, 0, 0);
    socket("a local socket", libc::AF_UNIX, libc::SOCK_STREAM, 0, 0);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        std::net::TcpStream::connect(listener.local_addr()?)?;
        listener.accept()
    });
    if let Err(error) = listener {
        breaches.push(format!("loopback does not work: {error}"));
    }
    for address in ["169.254.169.254:80", "192.0.2.1:80"] {
        let timeout = std::time::Duration::from_secs(2);
        match std::net::TcpStream::connect_timeout(&address.parse().unwrap(), timeout) {
            Err(error) if error.raw_os_error() == Some(libc::ENETUNREACH) => {}
            other => breaches.push(format!("{address}: {other:?}")),
        }
    }
    breaches
}

/// Our own executable, which on the host may well belong to the very same user.
fn executable() -> Vec<String> {
    let mut breaches = Vec::new();
    if std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/exe")
        .is_ok()
    {
        breaches.push(String::from("/proc/self/exe can be opened for writing"));
    }
    // While it runs every kernel refuses that. When it does not, the mount has to.
    let flags = rustix::fs::fstatvfs(std::fs::File::open("/proc/self/exe").unwrap())
        .unwrap()
        .f_flag;
    if !flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        breaches.push(format!("/proc/self/exe is on a writable mount: {flags:?}"));
    }
    breaches
}

/// The filter must not get in the way of ordinary programs.
fn threads() -> Vec<String> {
    let sum: u32 = (0..8)
        .map(|n| std::thread::spawn(move || n))
        .map(|thread| thread.join().unwrap())
        .sum();
    let child = std::process::Command::new("/bin/true").status();
    if sum == 28 && child.is_ok_and(|status| status.success()) {
        Vec::new()
    } else {
        vec![String::from("broken")]
    }
}

/// How many processes can be started before the limit is reached.
fn processes() -> usize {
    let mut children = Vec::new();
    while let Ok(child) = std::process::Command::new("/bin/sleep").arg("1000").spawn() {
        children.push(child);
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    children.len()
}

/// Asks for the process id as a program for 32-bit x86 does. Does not return.
#[cfg(target_arch = "x86_64")]
fn foreign_call() -> Vec<String> {
    const GETPID: i32 = 20;
    let result: i32;
    // SAFETY: the call has no arguments and changes no memory; the registers a kernel may clear are given up.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("eax") GETPID => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    vec![format!("it was answered: {result}")]
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign_call() -> Vec<String> {
    Vec::new()
}

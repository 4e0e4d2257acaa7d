//! The system calls that no process of a sandbox may make.
//!
//! Everything is allowed but what is listed: a sandbox is for ordinary programs, and those use system calls nobody
//! thinks of. What is listed is either of no use without a capability and yet reaches much of the kernel, or makes a
//! new namespace in which there would be capabilities again, or has a long history of exploits. Most of these would be
//! refused anyway; the point is that the code behind them is not reached.

use std::collections::BTreeMap;
use std::io;

use libc::{c_int, c_long};
use rustix::io::Errno;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use crate::error::{Context, Error};

/// Refused whatever the arguments.
const DENIED: &[c_long] = &[
    // Mounts: the view of the file system is fixed.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Namespaces: in a new user namespace everybody has every capability.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Large parts of the kernel that a program of the sandbox has no business with.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    // Keyrings are not part of any namespace.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Files by number, past every path and mount.
    libc::SYS_open_by_handle_at,
    // The memory and the descriptors of other processes. Debuggers use ptrace, which is allowed among the user's own
    // processes.
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // The machine itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
];

#[cfg(target_arch = "x86_64")]
const DENIED_ON_THIS_ARCHITECTURE: &[c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    // Segments of the 16-bit world.
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_ON_THIS_ARCHITECTURE: &[c_long] = &[];

/// What `clone` may not make. (The flag for time namespaces is a signal number to it.)
const NAMESPACES: [c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Sockets of all other families are refused.
const FAMILIES: [c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The part of a socket's type that is not flags.
const SOCKET_TYPE: u64 = 0xf;

/// `personality` may ask (all ones), set what is set anyway, and switch the randomisation of addresses off, as debuggers
/// do for the programs they start.
const PERSONALITIES: [u64; 3] = [0, libc::ADDR_NO_RANDOMIZE as u64, u32::MAX as u64];

/// Installs the filter in this thread, for it and all it starts.
pub(crate) fn install() -> Result<(), Error> {
    let step = "install the system call filter";
    let program = denied().map_err(io::Error::other).during(step)?;
    apply(&program).during(step)
}

/// Adds what holds for every process but PID 1. Async-signal-safe.
///
/// `clone3` has its flags in memory, where a filter cannot see them, so it appears not to exist, and programs fall back
/// to `clone`. PID 1 needs it, to have processes born in their control groups; what it could do with it beyond that ends
/// at the other filter.
pub(crate) fn confine() -> Result<(), Errno> {
    apply(&without_clone3())
}

fn apply(program: &[sock_filter]) -> Result<(), Errno> {
    use seccompiler::Error::{Prctl, Seccomp};
    match seccompiler::apply_filter(program) {
        Ok(()) => Ok(()),
        Err(Prctl(error) | Seccomp(error)) => Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL)),
        Err(_) => Err(Errno::INVAL),
    }
}

/// One program for everything: the kernel runs each that is installed for every system call.
fn denied() -> Result<BpfProgram, BackendError> {
    Ok(without_x32().into_iter().chain(listed()?).collect())
}

fn listed() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = DENIED
        .iter()
        .chain(DENIED_ON_THIS_ARCHITECTURE)
        .map(|number| (*number, Vec::new()))
        .collect();
    for (number, rule) in conditional()? {
        rules.entry(number).or_default().push(rule);
    }
    // Another architecture has other numbers for its calls. Its programs are killed.
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?.try_into()
}

/// Refused for certain arguments.
fn conditional() -> Result<Vec<(c_long, SeccompRule)>, BackendError> {
    let mut rules = Vec::new();
    for flag in NAMESPACES {
        rules.push((libc::SYS_clone, rule([has(0, flag as u64, flag as u64)])?));
    }
    // Typing into the terminal of another, and into the console.
    for request in [libc::TIOCSTI, libc::TIOCLINUX] {
        rules.push((libc::SYS_ioctl, rule([is(1, request as _)])?));
    }
    rules.push((
        libc::SYS_socket,
        rule(FAMILIES.iter().map(|family| is_not(0, *family as u64)))?,
    ));
    // Programs list network interfaces through the first of the netlink protocols.
    let netlink = [
        is(0, libc::AF_NETLINK as u64),
        is_not(2, libc::NETLINK_ROUTE as u64),
    ];
    rules.push((libc::SYS_socket, rule(netlink)?));
    for family in [libc::AF_INET, libc::AF_INET6] {
        let raw = [is(0, family as u64), has(1, SOCKET_TYPE, libc::SOCK_RAW as u64)];
        rules.push((libc::SYS_socket, rule(raw)?));
    }
    rules.push((libc::SYS_socketpair, rule([is_not(0, libc::AF_UNIX as u64)])?));
    for device in [libc::S_IFCHR, libc::S_IFBLK] {
        rules.push((
            libc::SYS_mknodat,
            rule([has(2, libc::S_IFMT.into(), device.into())])?,
        ));
        #[cfg(target_arch = "x86_64")]
        rules.push((
            libc::SYS_mknod,
            rule([has(1, libc::S_IFMT.into(), device.into())])?,
        ));
    }
    rules.push((
        libc::SYS_personality,
        rule(PERSONALITIES.map(|allowed| is_not(0, allowed)))?,
    ));
    Ok(rules)
}

const JUMP_IF_EQUAL: u32 = libc::BPF_JEQ;
const JUMP_IF_AT_LEAST: u32 = libc::BPF_JGE;

fn without_clone3() -> [sock_filter; 4] {
    let [load, compare, refuse] = unimplemented(JUMP_IF_EQUAL, libc::SYS_clone3 as u32);
    let allow = instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW);
    [load, compare, refuse, allow]
}

/// On x86-64, the calls of the x32 interface have their own numbers, which no list above has. No other architecture has
/// numbers that high.
fn without_x32() -> [sock_filter; 3] {
    const LOWEST: u32 = 0x4000_0000;
    unimplemented(JUMP_IF_AT_LEAST, LOWEST)
}

/// System calls whose number compares so with the one given appear not to exist. What comes behind is for the others.
fn unimplemented(jump: u32, number: u32) -> [sock_filter; 3] {
    [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | jump | libc::BPF_K, 0, 1, number),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
        ),
    ]
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

type Condition = Result<SeccompCondition, BackendError>;

/// The kernel looks at 32 bits of every argument judged here; so does the filter.
fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn is(argument: u8, value: u64) -> Condition {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Condition {
    condition(argument, SeccompCmpOp::Ne, value)
}

/// The argument, masked, is this value.
fn has(argument: u8, mask: u64, value: u64) -> Condition {
    condition(argument, SeccompCmpOp::MaskedEq(mask), value)
}

/// All of these.
fn rule(conditions: impl IntoIterator<Item = Condition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_within_the_kernels_limit() {
        const LONGEST: usize = 4096;
        let length = denied().unwrap().len();
        assert!(length > DENIED.len() && length < LONGEST, "{length}");
    }
}

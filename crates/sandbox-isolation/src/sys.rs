//! The system calls that no crate wraps safely: the only `unsafe` of the workspace.
//!
//! Each function is a thin, safe (or precisely conditioned) wrapper; none holds policy.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::Pid;

use crate::surroundings::Surroundings;

fn check(result: c_long) -> Result<c_long, Errno> {
    if result < 0 {
        // SAFETY: `__errno_location` returns a valid pointer to this thread's errno.
        return Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }));
    }
    Ok(result)
}

/// Runs `child` in a child process, without libc's fork handlers, and exits with what it returns.
///
/// Every signal is blocked in the child, so that no handler of the parent runs there.
///
/// # Safety
///
/// Unless the calling process has a single thread, `child` may only do what is async-signal-safe: no allocation and
/// no locks, only system calls.
pub(crate) unsafe fn fork(child: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    let _mask = block_signals();
    // SAFETY: without CLONE_VM the child has its own copy of the address space, as after fork(2); all pointer
    // arguments are null and unused with these flags.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD as c_long, 0, 0, 0, 0) })?;
    match Pid::from_raw(pid as i32) {
        Some(pid) => Ok(pid),
        None => exit_now(child()),
    }
}

/// A NULL-terminated array of C strings, as `execve` takes them.
pub(crate) struct CStrings<'a> {
    pointers: Vec<*const c_char>,
    strings: std::marker::PhantomData<&'a CStr>,
}

impl<'a> CStrings<'a> {
    pub(crate) fn new(strings: impl IntoIterator<Item = &'a CStr>) -> Self {
        let pointers = strings
            .into_iter()
            .map(CStr::as_ptr)
            .chain([ptr::null()])
            .collect();
        Self {
            pointers,
            strings: std::marker::PhantomData,
        }
    }
}

/// `execveat(fd, "", …, AT_EMPTY_PATH)`. Returns only if it fails. Async-signal-safe.
pub(crate) fn execute_fd(fd: BorrowedFd<'_>, arguments: &CStrings<'_>, environment: &CStrings<'_>) -> Errno {
    // SAFETY: both arrays are NULL-terminated and hold pointers to C strings that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    check(result).err().unwrap_or(Errno::INVAL)
}

/// `execve`. Returns only if it fails. Async-signal-safe.
pub(crate) fn execute_path(path: &CStr, arguments: &CStrings<'_>, environment: &CStrings<'_>) -> Errno {
    // SAFETY: as in `execute_fd`; `path` is a C string.
    let result = unsafe {
        libc::syscall(
            libc::SYS_execve,
            path.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    check(result).err().unwrap_or(Errno::INVAL)
}

/// Ends the process at once, without running destructors or exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// The signals a thread had blocked before.
struct SignalMask(libc::sigset_t);

/// Blocks every signal in this thread until the mask is dropped.
fn block_signals() -> SignalMask {
    // SAFETY: `sigset_t` is plain data that `sigfillset` and `pthread_sigmask` initialise.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        SignalMask(before)
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        // SAFETY: the mask was filled in by `pthread_sigmask`.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// Gives every signal its default action and blocks none. Async-signal-safe.
pub(crate) fn reset_signals() {
    const HIGHEST_SIGNAL: c_long = 64;
    const SIGNAL_SET_BYTES: c_long = 8;
    /// At least as long as the kernel's `struct sigaction`; all zero it is the default action without flags.
    const DEFAULT: [u64; 8] = [0; 8];
    for signal in 1..=HIGHEST_SIGNAL {
        // Past libc, which refuses the signals it keeps for itself. A parent may have ignored even those. (The kernel
        // refuses SIGKILL and SIGSTOP.)
        // SAFETY: the structure outlives the call, and the default action is no code of this process.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT.as_ptr(),
                0,
                SIGNAL_SET_BYTES,
            )
        };
    }
    // SAFETY: `sigset_t` is plain data that `sigemptyset` initialises.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// Marks every file descriptor from `first` on close-on-exec. Async-signal-safe.
pub(crate) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: changes flags of file descriptors only.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })
        .map(drop)
}

/// Closes every file descriptor from 3 on but `kept`. Async-signal-safe.
///
/// # Safety
///
/// Nothing in the process may use or drop an owned file descriptor afterwards.
pub(crate) unsafe fn close_all_but(kept: BorrowedFd<'_>) -> Result<(), Errno> {
    const FIRST: u32 = 3;
    let kept = kept.as_raw_fd().unsigned_abs();
    if kept > FIRST {
        // SAFETY: the caller vouches that nobody uses them any more.
        check(unsafe { libc::syscall(libc::SYS_close_range, FIRST, kept - 1, 0) })?;
    }
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_close_range, kept.max(FIRST - 1) + 1, u32::MAX, 0) }).map(drop)
}

/// A child that has ended but was not reaped.
pub(crate) struct DeadChild {
    pub(crate) pid: Pid,
    /// `CLD_EXITED`, `CLD_KILLED` or `CLD_DUMPED`.
    pub(crate) code: i32,
    /// The exit code or the signal.
    pub(crate) status: i32,
}

/// Waits until any child has ended and leaves it unreaped. Async-signal-safe.
pub(crate) fn next_dead_child() -> Result<DeadChild, Errno> {
    // SAFETY: `siginfo_t` is plain data; `waitid` fills it in, and for a child that has ended `si_pid` and
    // `si_status` are the valid members.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        check(libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOWAIT).into())?;
        let pid = Pid::from_raw(info.si_pid()).ok_or(Errno::CHILD)?;
        Ok(DeadChild {
            pid,
            code: info.si_code,
            status: info.si_status(),
        })
    }
}

/// Opens `/proc/self/exe` for executing it again.
pub(crate) fn own_executable() -> io::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    Ok(rustix::fs::open(
        "/proc/self/exe",
        flags,
        rustix::fs::Mode::empty(),
    )?)
}

/// Sends a signal to every process this one may signal, except itself and PID 1.
pub(crate) fn kill_everything_else(signal: rustix::process::Signal) -> Result<(), Errno> {
    // SAFETY: sends a signal only.
    match check(unsafe { libc::kill(-1, signal.as_raw()) }.into()) {
        Err(Errno::SRCH) => Ok(()),
        result => result.map(drop),
    }
}

/// `struct clone_args` up to the member `cgroup` (`CLONE_ARGS_SIZE_VER2`).
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// `CLONE_INTO_CGROUP`, which libc's type for flags has no room for.
const INTO_CGROUP: u64 = 0x2_0000_0000;

impl CloneArguments {
    /// The child is born in the control group of this directory. To move it there later would have every process of
    /// the host wait: the kernel stops all forks and exits for a move, after milliseconds of waiting for a quiet moment.
    fn born_in(mut self, group: Option<BorrowedFd<'_>>) -> Self {
        if let Some(group) = group {
            self.flags |= INTO_CGROUP;
            self.cgroup = group.as_raw_fd() as u64;
        }
        self
    }

    /// # Safety
    ///
    /// Pointers among the arguments are valid, there is no stack, and `CLONE_VM` is not among the flags: the child goes
    /// on with its own copy of the caller's stack, as after fork(2).
    unsafe fn call(&self) -> Result<Option<Pid>, Errno> {
        // SAFETY: the arguments are of the size given; for the rest the caller vouches.
        let pid = check(unsafe { libc::syscall(libc::SYS_clone3, ptr::from_ref(self), size_of::<Self>()) })?;
        Ok(Pid::from_raw(pid as i32))
    }
}

/// As [`fork`], with the child in a control group from its first instruction on.
///
/// # Safety
///
/// As [`fork`].
pub(crate) unsafe fn fork_into(group: BorrowedFd<'_>, child: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    let arguments = CloneArguments {
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArguments::default()
    }
    .born_in(Some(group));
    let _mask = block_signals();
    // SAFETY: the arguments hold no pointers, and their flags nothing but the control group.
    match unsafe { arguments.call() }? {
        Some(pid) => Ok(pid),
        None => exit_now(child()),
    }
}

/// Whose child a new process is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    /// The calling process.
    Caller,
    /// The parent of the calling process.
    ParentOfCaller,
}

/// The kinds of namespaces that [`Surroundings`] are of.
const SURROUNDINGS: c_int = libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNET;

/// Enters new namespaces for what is around processes, and for mounts.
pub(crate) fn leave_surroundings_and_mounts() -> Result<(), Errno> {
    // SAFETY: changes what this process sees, and nothing in its memory.
    check(unsafe { libc::unshare(SURROUNDINGS | libc::CLONE_NEWNS) }.into()).map(drop)
}

/// Runs `child` as PID 1 of new namespaces of every kind but time and cgroup (and those it has already, if the
/// surroundings are its own), in a control group if one is given, and exits with what it returns.
///
/// # Safety
///
/// As [`fork`].
pub(crate) unsafe fn clone_namespaces(
    parent: Parent,
    group: Option<BorrowedFd<'_>>,
    surroundings: Surroundings,
    child: impl FnOnce() -> i32,
) -> Result<(Pid, OwnedFd), Errno> {
    let mut namespaces = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    if surroundings == Surroundings::Hosts {
        namespaces |= SURROUNDINGS;
    }
    let mut pidfd: c_int = -1;
    let mut arguments = CloneArguments {
        flags: (namespaces | libc::CLONE_PIDFD) as u64,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        ..CloneArguments::default()
    }
    .born_in(group);
    match parent {
        Parent::Caller => arguments.exit_signal = libc::SIGCHLD as u64,
        // The signal is then the one the calling process itself sends when it ends.
        Parent::ParentOfCaller => arguments.flags |= libc::CLONE_PARENT as u64,
    }
    let mask = block_signals();
    // SAFETY: `pidfd` outlives the call; there is no stack and no CLONE_VM.
    match unsafe { arguments.call() }? {
        // SAFETY: the kernel has stored a new file descriptor that nobody else knows.
        Some(pid) => Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
        None => {
            drop(mask);
            exit_now(child())
        }
    }
}

/// Makes the control group this process is in the root of those it can see.
pub(crate) fn enter_cgroup_namespace() -> Result<(), Errno> {
    // SAFETY: changes what this process sees, and nothing in its memory.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }.into()).map(drop)
}

/// `struct mount_attr`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Adds attributes to a mount, and with `recursive` to all below it, and cuts it off from the propagation of mounts.
pub(crate) fn restrict_mount(
    mount: BorrowedFd<'_>,
    attributes: rustix::mount::MountAttrFlags,
    recursive: bool,
) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let attributes = MountAttributes {
        set: u64::from(attributes.bits()),
        clear: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    set_mount_attributes(mount, flags, &attributes)
}

/// Has the owners of files in a detached mount seen as a user namespace maps them.
pub(crate) fn map_mount_ids(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    set_mount_attributes(
        mount,
        libc::AT_EMPTY_PATH,
        &MountAttributes {
            set: libc::MOUNT_ATTR_IDMAP,
            clear: 0,
            propagation: 0,
            userns_fd: namespace.as_raw_fd() as u64,
        },
    )
}

fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    flags: c_int,
    attributes: &MountAttributes,
) -> Result<(), Errno> {
    // SAFETY: the structure is of the size given and outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            ptr::from_ref(attributes),
            size_of::<MountAttributes>(),
        )
    })
    .map(drop)
}

/// Where the program's loader is in memory; 0 for a program without one.
pub(crate) fn loader_address() -> u64 {
    // SAFETY: reads a number that the kernel left for this process.
    unsafe { libc::getauxval(libc::AT_BASE) }
}

/// Leaves the session keyring of the host for a new one.
pub(crate) fn join_new_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: c_long = 1;
    // SAFETY: the second argument is a null pointer, which asks for an anonymous keyring.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) }).map(drop)
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn bring_loopback_up() -> Result<(), Errno> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain data, valid when zeroed.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) }.into()).map(drop)
}

/// Takes standard input away from the process, which reads `/dev/null` from then on.
pub(crate) fn take_stdin() -> Result<OwnedFd, Errno> {
    let taken = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let null = rustix::fs::open(c"/dev/null", flags, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(taken)
}

/// Lets this thread, and the processes it starts, run only when nothing else wants to.
pub(crate) fn schedule_when_idle() -> Result<(), Errno> {
    set_policy(None, libc::SCHED_IDLE)
}

/// Lets a thread run as most do. To raise it takes a privilege, or a resource limit that allows it.
pub(crate) fn schedule_normally(thread: Pid) -> Result<(), Errno> {
    set_policy(Some(thread), libc::SCHED_OTHER)
}

fn set_policy(thread: Option<Pid>, policy: c_int) -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: 0 };
    let thread = Pid::as_raw(thread);
    // SAFETY: the parameters outlive the call, which only reads them.
    check(unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            thread,
            policy,
            &raw const parameters,
        )
    })
    .map(drop)
}

/// Gives the kernel back the memory that the allocator keeps for the next buffers.
///
/// It does that by itself only for what is free at the end of its heap, and above a size that grows with the buffers it
/// has seen. With another libc than glibc, nothing happens.
pub fn give_back_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
